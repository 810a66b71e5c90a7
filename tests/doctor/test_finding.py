"""Whatever a check does, the others are made, and what it did is a finding."""

import threading
from collections.abc import Iterator

from listener.doctor.finding import Check, Finding, Severity, examine, from_error
from listener.errors import SinkError

WELL = Finding("a", Severity.OK, "well")


def says(*found: Finding) -> Check:
    return Check(found[0].check, lambda: found)


def test_findings_come_in_the_order_of_the_lanes_however_long_each_takes() -> None:
    went_on = threading.Event()

    def slow() -> Iterator[Finding]:
        went_on.wait(10)
        yield Finding("slow", Severity.OK, "done")

    def quick() -> Iterator[Finding]:
        went_on.set()
        yield Finding("quick", Severity.OK, "done")

    assert [each.check for each in examine([[Check("slow", slow)], [Check("quick", quick)]])] == ["slow", "quick"]


def test_checks_of_one_lane_are_made_one_after_the_other() -> None:
    running: list[str] = []
    seen: list[list[str]] = []

    def check(name: str) -> Iterator[Finding]:
        running.append(name)
        seen.append(list(running))
        yield Finding(name, Severity.OK, "")
        running.remove(name)

    list(examine([[Check("a", lambda: check("a")), Check("b", lambda: check("b"))]]))
    assert seen == [["a"], ["b"]]


def test_a_check_that_hangs_is_a_finding_and_what_it_had_found_is_kept() -> None:
    released = threading.Event()

    def hangs() -> Iterator[Finding]:
        yield WELL
        released.wait(30)

    found = list(examine([[Check("a", hangs, limit_s=0.1), says(Finding("b", Severity.OK, ""))]]))
    released.set()
    assert [(each.check, each.level) for each in found] == [("a", "ok"), ("a", "problem"), ("b", "ok")]
    assert "no answer in 0.1 s" in found[1].text


def test_a_check_that_crashes_is_a_fault_of_ours_and_no_traceback() -> None:
    def crashes() -> Iterator[Finding]:
        yield WELL
        raise ValueError("what is this")

    well, fault = examine([[Check("a", crashes)]])
    assert well == WELL
    assert fault.level is Severity.PROBLEM
    assert "ValueError('what is this'). This is a fault in listener" in fault.text


def test_an_error_of_ours_is_what_is_wrong_and_what_to_do() -> None:
    def fails() -> Iterator[Finding]:
        raise SinkError("mqtt h:1: nobody listens there; start the broker, or check port")

    (found,) = examine([[Check("a", fails)]])
    assert found == Finding("a", Severity.PROBLEM, "mqtt h:1: nobody listens there", "start the broker, or check port")


def test_an_error_without_a_remedy_has_none() -> None:
    assert from_error("a", "it is broken").remedy == ""
