"""The command line. Errors end here, as one line for the person who can act on them and an exit status.

0: done. 1: something failed on the way. 2: a wrong configuration, flag, bundle or device; nothing was started.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from listener.base.version import __version__
from listener.daemon import signals

COMMANDS = {
    "run": "listen to the microphone (or what the configuration names) and report events",
    "classify": "name the sounds in audio files",
    "devices": "list the inputs of this machine, with the rates that open",
    "watch": "a live display of a running listener",
    "status": "how a running listener is doing; fails where it does not hear well",
    "tail": "lines from a running listener, for pipes",
    "web": "a page in the browser, of a running listener and what it heard earlier",
    "history": "what was heard earlier, as a table, for scripts, or counted",
    "snooze": "have a label, group or microphone not reported for a while",
    "check": "check the configuration and the model, and say what would run",
    "doctor": "say what works on this machine and what does not, with the remedy",
    "tune": "listen to the room for some minutes, and propose settings for it",
    "install-service": "write the unit by which systemd runs listener, the system's or yours",
    "completion": "what makes a shell complete commands, flags and labels",
}

EPILOG = """\
examples:
  listener run                              listen, with a live display
  listener run --json | jq .label           events as JSON lines, for scripts
  listener classify holiday.wav             what is to be heard in a recording
  listener devices                          which microphones there are
  listener run --device USB --set gate.kind=bands
  arecord -f S16_LE -r 48000 | listener run --source stdin --rate 48000
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's pool of threads spins between clips
    _make_output_safe()
    with signals.captured() as capture:
        arguments = _parser(sys.argv[1:] if argv is None else argv).parse_args(argv)
        from listener.errors import BundleError, ConfigError, ListenerError

        try:
            command = _module(arguments.command)
            status: int = command.main(arguments, capture)
            sys.stdout.flush()
            return status
        except BrokenPipeError:  # whoever read our output has had enough
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - the interpreter flushes stdout once more
            return 0
        except OSError as err:
            print(f"listener: {err.filename or 'standard output'}: {err.strerror or err}", file=sys.stderr)
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
            return 1
        except ListenerError as err:
            print(f"listener: {err}", file=sys.stderr)
            return 2 if isinstance(err, ConfigError | BundleError) else 1


def _make_output_safe() -> None:
    """Nothing that is printed may fail for the locale, nor for a standard output or error that was closed."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def full_parser() -> argparse.ArgumentParser:
    """The parser with the flags of every command, for what is written from it: completion and the manual."""
    return _parser(tuple(COMMANDS))


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser, with the flags of the one command that is wanted: the others need not be imported."""
    parser = argparse.ArgumentParser(
        prog="listener",
        description="Names the sounds that a microphone hears. Nothing leaves this machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"listener {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, meaning in COMMANDS.items():
        command = commands.add_parser(name, help=meaning, description=meaning[0].upper() + meaning[1:] + ".")
        if name in argv:
            _module(name).add_flags(command)
    return parser


def _module(command: str) -> Any:
    return import_module(f"listener.cli.commands.{command.replace('-', '_')}")
