"""Malformed input is refused with our errors, and the fuzzer that says so can tell when it is not."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from soak.fuzzing.fuzzer import fuzz
from soak.fuzzing.targets import TARGETS, Take, Target

INPUTS = 300


@pytest.mark.filterwarnings("ignore::UserWarning")  # numpy's, of filter banks that Python 2 might have written
@pytest.mark.parametrize("name", TARGETS)
def test_what_is_malformed_is_refused_and_no_more(name: str, tmp_path: Path) -> None:
    report = fuzz(TARGETS[name], INPUTS, 1, tmp_path)
    assert report.count == INPUTS
    assert report.faults == {}


@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name].refusals])
def test_what_is_well_formed_is_taken(name: str, tmp_path: Path) -> None:
    """Else nothing behind the first check would ever be reached."""
    with TARGETS[name].opened(tmp_path) as take:
        take(TARGETS[name].seeds[0])


@contextmanager
def careless(_scratch: Path) -> Iterator[Take]:
    def take(given: bytes) -> None:
        if b"9223372036854775809" in given:
            raise ZeroDivisionError

    yield take


def test_a_fault_is_found_and_told_once_with_an_input_that_shows_it(tmp_path: Path) -> None:
    report = fuzz(Target(careless, [b"12"]), INPUTS, 1, tmp_path)
    ((where, given),) = report.faults.items()
    assert where.startswith("ZeroDivisionError")
    assert b"9223372036854775809" in ast.literal_eval(given)


def test_the_same_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    taken: list[bytes] = []

    @contextmanager
    def noting(_scratch: Path) -> Iterator[Take]:
        yield taken.append

    for _ in range(2):
        fuzz(Target(noting, [b'{"on": 0.5}']), 50, 3, tmp_path)
    assert taken[:50] == taken[50:]
    assert len(set(taken)) > 40


def test_inputs_that_reach_new_code_are_kept(tmp_path: Path) -> None:
    assert fuzz(TARGETS["mqtt"], 50, 1, tmp_path).kept > 5
