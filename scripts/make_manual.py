"""Write docs/listener.1, the manual page, from the help of every command: `python -m scripts.make_manual`."""

from collections.abc import Iterator
from pathlib import Path

import click

from listener.cli.main import group

PAGE = Path(__file__).resolve().parents[1] / "docs" / "listener.1"
WIDTH = 78

FOOT = r"""
.SH EXIT STATUS
0: success, or the reader of the output has gone.
1: something failed while running, undelivered events included.
2: a wrong configuration, option or model, or a missing device; nothing was started.
.PP
SIGINT and SIGTERM end the program in order. Without a terminal, SIGHUP makes
.B listener run
read its configuration again.
.SH FILES
.nf
~/.config/listener/config.toml       configuration of the user
/etc/listener/config.toml            configuration of the machine, if the user has none
~/.local/state/listener/             logs, history and undelivered events; of a service /var/lib/listener/
$XDG_RUNTIME_DIR/listener.sock       the control socket; of a service /run/listener/listener.sock
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
    top = click.Context(group, info_name="listener", terminal_width=WIDTH, **group.context_settings)
    yield '.TH LISTENER 1 "" "listener" "User Commands"'
    yield f".SH NAME\nlistener \\- {_escaped(str(group.help))}"
    yield f".SH SYNOPSIS\n.nf\n{_escaped(group.get_help(top))}\n.fi\n.SH COMMANDS"
    for name in group.list_commands(top):
        command = group.get_command(top, name)
        assert command
        ctx = click.Context(command, parent=top, info_name=name, terminal_width=WIDTH)
        yield f".SS listener {_escaped(name)}\n.nf\n{_escaped(command.get_help(ctx))}\n.fi"
    yield FOOT


def _escaped(text: str) -> str:
    """The text as roff takes it literally."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in text.splitlines())


if __name__ == "__main__":
    main()
