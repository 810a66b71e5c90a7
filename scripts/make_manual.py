"""docs/listener.1, the manual page, from what `--help` says: `python -m scripts.make_manual`."""

from collections.abc import Iterator
from pathlib import Path

from listener.cli import flags
from listener.cli import main as cli
from listener.cli.flags import Argument, Command

PAGE = Path(__file__).resolve().parents[1] / "docs" / "listener.1"

HEAD = r"""
.TH LISTENER 1 "" "listener" "User Commands"
.SH NAME
listener \- names the sounds that a microphone hears
.SH SYNOPSIS
.B listener
.I COMMAND
.RI [ OPTION \|.\|.\|.]
.SH DESCRIPTION
.B listener
names the sounds that a microphone hears: dog bark, smoke alarm, baby cry, siren and more. It runs as a background
service, shows what it hears live in a terminal, and writes each sound as one JSON line. Nothing leaves the machine but
what its configuration sends.
.PP
It is no safety device: a smoke alarm must be heard by someone who can act, with or without this program.
""".strip()

FOOT = r"""
.SH EXIT STATUS
.TP
.B 0
Every source ended, or the reader of the output had enough.
.TP
.B 1
Something failed on the way, events that did not get out included.
.TP
.B 2
A wrong configuration, flag or model, or a device that is not there: nothing was ever heard.
.PP
SIGINT and SIGTERM end the program by that signal, in order; so does SIGHUP where there is a terminal.
Without one, SIGHUP has
.B listener run
read its configuration again.
.SH FILES
.TP
.I ~/.config/listener/config.toml
The configuration of a user; every key is in docs/configuration.md, and
.B listener check \-\-defaults
prints them all.
.TP
.I /etc/listener/config.toml
The configuration of the machine, where the user has none.
.TP
.I ~/.local/state/listener/
Logs, history and what waits for a receiver that is away; of a service
.IR /var/lib/listener/ .
.TP
.I $XDG_RUNTIME_DIR/listener.sock
The socket that
.BR "listener watch" ", " "listener tail " and " listener snooze"
speak to; of a service
.IR /run/listener/listener.sock .
.SH EXAMPLES
.nf
""".strip()

TAIL = r"""
.fi
.SH SEE ALSO
.BR systemctl (1),
.BR journalctl (1),
.BR arecord (1)
""".strip()


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())


def page() -> str:
    """The whole page, in roff."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield HEAD
    yield ".SH COMMANDS"
    for command in flags.commands(cli.full_parser()):
        yield from _command(command)
    yield FOOT
    yield from (_text(line) for line in cli.EPILOG.splitlines()[1:])
    yield TAIL


def _command(command: Command) -> Iterator[str]:
    operands = "".join(f" \\fI{_text(_operand(operand))}\\fR" for operand in command.operands)
    yield f".SS listener {_text(command.name)}{operands}"
    yield f"{_text(command.meaning[0].upper() + command.meaning[1:])}."
    for argument in (*command.operands, *command.flags):
        if argument.names[:1] != ("-h",):
            yield ".TP"
            yield _heading(argument)
            yield _text(argument.meaning)


def _operand(operand: Argument) -> str:
    name = f"{operand.value}{' ...' if operand.many else ''}"
    return name if operand.needed else f"[{name}]"


def _heading(argument: Argument) -> str:
    names = ", ".join(f"\\fB{_text(name)}\\fR" for name in argument.names)
    value = f"\\fI{_text(argument.value)}\\fR" if argument.value else ""
    return " ".join(part for part in (names, value) if part)


def _text(text: str) -> str:
    """The text as roff takes it for text."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "\\|.\\|.\\|.").replace("`", "\\(ga")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


if __name__ == "__main__":
    main()
