"""How the commands of a checkout end: done, or with one line that says what is wrong."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from listener.errors import ListenerError

INTERRUPTED = 128 + signal.SIGINT  # as shells say it


def command(work: Callable[[], object]) -> int:
    """0 when the work was done, 1 when it could not be, 130 when Ctrl-C ended it; after one line about it."""
    try:
        work()
    except ListenerError as err:
        print(err, file=sys.stderr)
        return 1
    except OSError as err:
        print(f"{err.filename or 'a file'}: cannot be read or written ({err.strerror or err})", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print(stop if stop.args else "interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


@contextmanager
def noted_interrupts() -> Iterator[Callable[[], bool]]:
    """Within, the first Ctrl-C breaks nothing off: it is noted, and this says so. The second is felt as ever."""
    before = signal.getsignal(signal.SIGINT)
    noted = []

    def note(number: int, _frame: object) -> None:
        noted.append(number)
        signal.signal(signal.SIGINT, before)

    if before is not signal.SIG_IGN:  # of a job in the background, which Ctrl-C is not meant for
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(noted)
    finally:
        signal.signal(signal.SIGINT, before)
