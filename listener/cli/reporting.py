"""How errors are printed, and the exit status that they give."""

import errno
import os
import sys

import click

from listener.base.text import plain
from listener.errors import BundleError, ConfigError, ConfigErrors, ListenerError

DEBUG_VARIABLE = "LISTENER_DEBUG"  # set by a developer who wants the traceback of an unexpected error
LONGEST_LINE = 1000  # of an error message


def report_error(err: Exception) -> int:
    """Print an error on standard error.

    Returns:
        The exit status for it.
    """
    if isinstance(err, ConfigErrors):
        return max(report_error(each) for each in err.errors)
    if isinstance(err, OSError):
        discard_output()
    return 0 if isinstance(err, BrokenPipeError) else _fail(*_described(err))  # the reader of our output has gone


def _described(err: Exception) -> tuple[int, str, str, str]:
    """The exit status, message, code and remedy of an error."""
    match err:
        case click.ClickException():
            name = err.ctx.command_path if isinstance(err, click.UsageError) and err.ctx else "listener"
            return 2, err.format_message(), "cli-usage", f"Try `{name} --help`."
        case ListenerError():
            return 2 if isinstance(err, ConfigError | BundleError) else 1, err.message, err.code, err.remedy
        case _ if _is_lack_of_memory(err):
            return 1, f"there is not enough memory ({type(err).__name__})", "cli-memory", "Free some memory."
        case OSError():
            return 1, f"{err.filename or 'standard output'}: {err.strerror or err}", "cli-system", ""
    remedy = f"Please report it, with the traceback that {DEBUG_VARIABLE}=1 prints."
    return 1, f"unexpected error: {type(err).__name__}: {err}", "cli-unexpected", remedy


def _is_lack_of_memory(err: Exception) -> bool:
    """Whether Python, the kernel, the dynamic linker or the thread library found no memory."""
    texts = ("failed to map segment", "start new thread", "cannot allocate memory")
    return (
        isinstance(err, MemoryError)
        or (isinstance(err, OSError) and err.errno == errno.ENOMEM)
        or any(text in str(err).lower() for text in texts)
    )


def _fail(status: int, message: str, code: str, remedy: str = "") -> int:
    """Print an error on standard error; return the exit status."""
    lines = [_shown(line) for line in message.splitlines()]
    if code:
        lines[-1] += f" [{code}]"
    print(f"listener: {lines[0]}", *lines[1:], *([f"  {_shown(remedy)}"] if remedy else []), sep="\n", file=sys.stderr)
    return status


def _shown(line: str) -> str:
    """The line without control characters, and not endless."""
    line = plain(line)
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} ..."


def discard_output() -> None:
    """Replace standard output: the interpreter flushes it once more at the end, which would fail again."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
