"""Growth is told from noise, and a table from a promise that was not kept."""

import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from soak.plan import Plan
from soak.rows import Row, show
from soak.vitals import Vitals, alone, growth_row, slope, taken


def samples(grown_mb: float = 0.0, threads: int = 9, late_threads: int = 9) -> list[Vitals]:
    """A hundred, noisy as memory is."""
    return [
        Vitals(n, 100 + grown_mb * n / 100 + (n * 7 % 5) / 10, threads if n < 90 else late_threads, 20, 1)
        for n in range(100)
    ]


def test_noise_is_no_growth() -> None:
    assert growth_row("x", samples()).held
    assert abs(slope(samples())) < 0.001


def test_memory_that_grows_is_told() -> None:
    assert not growth_row("x", samples(grown_mb=10)).held
    assert slope(samples(grown_mb=10)) == pytest.approx(0.1, abs=0.01)


def test_a_thread_more_in_the_end_is_told() -> None:
    assert not growth_row("x", samples(late_threads=10)).held


def test_a_child_more_in_the_end_is_told_and_shown() -> None:
    row = growth_row("x", [*samples()[:95], *(replace(each, children=2) for each in samples()[95:])])
    assert not row.held
    assert "children 1 then 2" in row.seen


def test_what_was_taken_in_the_warm_up_is_no_growth() -> None:
    early = [Vitals(n, 50.0, 5, 10, 0) for n in range(20)]
    assert growth_row("x", [*early, *samples()[20:]]).held


def test_vitals_are_those_of_the_process_and_its_children() -> None:
    before, done = taken(os.getpid(), 0), threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    with socket.socket(), subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        with_more = taken(os.getpid(), 0)
        done.set()
        child.communicate(b"\n")
    thread.join()
    assert with_more.children == before.children + 1
    assert with_more.threads >= before.threads + 2
    assert with_more.descriptors >= before.descriptors + 2


def test_a_process_that_has_ended_has_none() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert alone(child.pid, 0) is None  # not reaped yet
    child.wait()
    assert alone(child.pid, 0) is None


def test_the_same_seed_chooses_the_same_moments_and_a_scale_shortens(tmp_path: Path) -> None:
    plan = Plan(tmp_path, scale=0.1)
    assert [plan.moments().random() for _ in range(2)] == [Plan(tmp_path).moments().random()] * 2
    assert (plan.count(200), plan.count(5), plan.length_s(3600)) == (20, 3, 360)


def test_the_table_says_what_held(capsys: pytest.CaptureFixture[str]) -> None:
    show([Row("a", "x", "y", True, 61.2), Row("b", "x", "y", False), Row("c", "x", "y", None)])
    said = capsys.readouterr().out
    assert [word in said for word in ("held", "61 s", "FAILED", "skipped")] == [True] * 4
