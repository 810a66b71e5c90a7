"""Whatever a check does, the others run, and the result is a finding."""

import threading
from collections.abc import Callable, Iterator

import pytest

from listener.doctor.finding import Check, Finding, Severity, run_checks
from listener.errors import SinkError


def good(check: str) -> Finding:
    return Finding(check, Severity.OK, "good", "")


def codes(*lanes: list[Check]) -> list[tuple[str, str]]:
    return [(found.check, found.code) for found in run_checks(lanes)]


def test_findings_come_in_the_order_of_the_lanes_however_long_each_takes() -> None:
    quick_done = threading.Event()

    def slow() -> Iterator[Finding]:
        assert quick_done.wait(10)
        yield good("slow")

    def quick() -> Iterator[Finding]:
        quick_done.set()
        yield good("quick")

    assert codes([Check("slow", slow)], [Check("quick", quick)]) == [("slow", "good"), ("quick", "good")]


def test_checks_of_one_lane_run_one_after_the_other() -> None:
    running: set[str] = set()
    together: list[set[str]] = []

    def check(name: str) -> Iterator[Finding]:
        running.add(name)
        together.append(set(running))
        yield good(name)
        running.remove(name)

    codes([Check("a", lambda: check("a")), Check("b", lambda: check("b"))])
    assert together == [{"a"}, {"b"}]


def test_a_check_that_hangs_is_a_finding_and_what_it_had_found_is_kept() -> None:
    released = threading.Event()

    def hangs() -> Iterator[Finding]:
        yield good("a")
        released.wait(30)

    found = codes([Check("a", hangs, limit_s=0.1), Check("b", lambda: [good("b")])])
    released.set()
    assert found == [("a", "good"), ("a", "check-timeout"), ("b", "good")]


def raising(err: Exception) -> Callable[[], Iterator[Finding]]:
    def fails() -> Iterator[Finding]:
        yield good("a")
        raise err

    return fails


@pytest.mark.parametrize(
    ("err", "finding"),
    [
        (
            SinkError("nothing listens at h:1", code="mqtt-away", remedy="Start the broker."),
            Finding("a", Severity.PROBLEM, "mqtt-away", "nothing listens at h:1", "Start the broker."),
        ),
        (SinkError("broken", code="x"), Finding("a", Severity.PROBLEM, "x", "broken")),
    ],
)
def test_an_error_becomes_a_finding_with_its_code_and_remedy(err: SinkError, finding: Finding) -> None:
    assert list(run_checks([[Check("a", raising(err))]])) == [good("a"), finding]


def test_a_check_that_crashes_is_a_bug_and_no_traceback() -> None:
    _, crash = run_checks([[Check("a", raising(ValueError("no")))]])
    assert (crash.level, crash.code) == (Severity.PROBLEM, "check-failed")
    assert "ValueError('no')" in crash.text
