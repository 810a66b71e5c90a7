"""What a check found, and how checks are run: at the same time, each within its limit, none able to end the others."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from queue import SimpleQueue

from listener.errors import ListenerError

log = logging.getLogger(__name__)

RUNNING = "check "  # what the threads of checks are called


class Severity(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"  # good to know
    WARNING = "warning"  # works, and may not for long, or not well
    PROBLEM = "problem"  # does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check has to say, and what to do about it."""

    check: str
    level: Severity
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Something to be looked at. `findings` may fail, hang or crash: that is a finding, too."""

    name: str
    findings: Callable[[], Iterable[Finding]]
    limit_s: float = 10.0


Lane = Sequence[Check]  # of checks that are run one after the other, since they would disturb each other


def examine(lanes: Sequence[Lane]) -> Iterator[Finding]:
    """The findings of all checks, lane by lane, each as soon as it is its turn. Lanes are run at the same time."""
    results: list[SimpleQueue[list[Finding]]] = [SimpleQueue() for _ in lanes]
    for lane, result in zip(lanes, results, strict=True):
        threading.Thread(target=_walk, args=(lane, result), name="lane", daemon=True).start()
    for lane, result in zip(lanes, results, strict=True):
        for _ in lane:
            yield from result.get()


def unfinished() -> bool:
    """Whether a check still runs: it was not waited for, or has not answered."""
    return any(thread.name.startswith(RUNNING) for thread in threading.enumerate())


def from_error(check: str, err: ListenerError | str) -> Finding:
    """What one of our errors says: first what is wrong, then what to do."""
    if isinstance(err, ListenerError) and err.remedy:
        return Finding(check, Severity.PROBLEM, err.message, err.remedy)
    text, _, remedy = str(err).partition("; ")
    return Finding(check, Severity.PROBLEM, text, remedy)


def _walk(lane: Lane, result: "SimpleQueue[list[Finding]]") -> None:
    for check in lane:
        result.put(_bounded(check))


def _bounded(check: Check) -> list[Finding]:
    found: list[Finding] = []
    thread = threading.Thread(target=_look, args=(check, found), name=f"{RUNNING}{check.name}", daemon=True)
    thread.start()
    thread.join(check.limit_s)
    if thread.is_alive():
        late = Finding(
            check.name, Severity.PROBLEM, f"no answer in {check.limit_s:g} s", "see whether it hangs elsewhere"
        )
        return [*found, late]
    return found


def _look(check: Check, found: list[Finding]) -> None:
    try:
        for finding in check.findings():
            found.append(finding)
    except ListenerError as err:
        found.append(from_error(check.name, err))
    except Exception as err:
        log.debug("check %s", check.name, exc_info=err)
        found.append(
            Finding(check.name, Severity.PROBLEM, f"{err!r}. This is a fault in listener", "please report it with this")
        )
