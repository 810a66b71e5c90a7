"""How the commands of a checkout end: done, or with one line that says what is wrong."""

import sys
from collections.abc import Callable

from listener.errors import ListenerError


def command(work: Callable[[], object]) -> int:
    """0 when the work was done, 1 when it could not be, after one line about it."""
    try:
        work()
    except ListenerError as err:
        print(err, file=sys.stderr)
        return 1
    return 0
