"""Findings, and how checks run: at the same time, each with a time limit, none able to stop the others."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from queue import SimpleQueue

from listener.errors import ListenerError

log = logging.getLogger(__name__)

THREAD_PREFIX = "check "


class Severity(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"  # good to know
    WARNING = "warning"  # works, but perhaps not well or not for long
    PROBLEM = "problem"  # does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check."""

    check: str
    level: Severity
    code: str  # identifies the kind of finding for scripts and tests, such as `device-none`
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A check by name. If `findings` raises, hangs or crashes, that becomes a finding."""

    name: str
    findings: Callable[[], Iterable[Finding]]
    limit_s: float = 10.0


Lane = Sequence[Check]  # checks that run one after the other, because they would disturb each other


def run_checks(lanes: Sequence[Lane]) -> Iterator[Finding]:
    """Run all lanes at the same time.

    Yields:
        The findings in the order of the lanes, each as soon as all before it are there.
    """
    results: list[SimpleQueue[list[Finding]]] = [SimpleQueue() for _ in lanes]
    for lane, result in zip(lanes, results, strict=True):
        threading.Thread(target=_run_lane, args=(lane, result), name="lane", daemon=True).start()
    for lane, result in zip(lanes, results, strict=True):
        for _ in lane:
            yield from result.get()


def unfinished() -> bool:
    """Return whether a check is still running, because it hangs or its findings were not awaited."""
    return any(thread.name.startswith(THREAD_PREFIX) for thread in threading.enumerate())


def from_error(check: str, err: ListenerError, level: Severity = Severity.PROBLEM) -> Finding:
    """Return an error as a finding."""
    return Finding(check, level, err.code, err.message, err.remedy)


def _run_lane(lane: Lane, result: "SimpleQueue[list[Finding]]") -> None:
    for check in lane:
        result.put(_run_limited(check))


def _run_limited(check: Check) -> list[Finding]:
    found: list[Finding] = []
    thread = threading.Thread(target=_run, args=(check, found), name=f"{THREAD_PREFIX}{check.name}", daemon=True)
    thread.start()
    thread.join(check.limit_s)
    if not thread.is_alive():
        return found
    text = f"the check did not finish within {check.limit_s:g} s"
    return [*found, Finding(check.name, Severity.PROBLEM, "check-timeout", text, "Try the same thing by hand.")]


def _run(check: Check, found: list[Finding]) -> None:
    try:
        for finding in check.findings():
            found.append(finding)  # noqa: PERF402 - an error must not lose those before it
    except ListenerError as err:
        found.append(from_error(check.name, err))
    except Exception as err:
        log.debug("check %s", check.name, exc_info=err)
        text = f"the check failed: {err!r}"
        found.append(
            Finding(check.name, Severity.PROBLEM, "check-failed", text, "This is a bug in listener. Please report it.")
        )
