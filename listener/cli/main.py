"""The entry point. Errors end here, as a message for the user and an exit status.

0: success. 1: something failed while running. 2: a wrong configuration, option, bundle or device; nothing was started.
"""

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from listener.base.version import __version__
from listener.cli.reporting import DEBUG_VARIABLE, discard_output, report_error
from listener.daemon import signals

COMMANDS = {
    "run": "Listen to the microphone and report events.",
    "classify": "Name the sounds in audio files.",
    "devices": "List the audio inputs of this machine.",
    "watch": "Show a live display of a running listener.",
    "status": "Show how a running listener is doing.",
    "tail": "Print the events of a running listener, for pipes.",
    "web": "Serve a page for the browser.",
    "history": "Show earlier events.",
    "snooze": "Do not report a label, group or source for a while.",
    "wake": "End a snooze.",
    "reload": "Have a running listener read its configuration again.",
    "test-alarm": "Send a test event through every sink.",
    "check": "Check the configuration and the model.",
    "doctor": "Find out what works on this machine, and how to fix what does not.",
    "tune": "Listen to the room for some minutes and propose settings.",
    "install-service": "Write a systemd unit that runs listener.",
    "completion": "Print the completion script for a shell.",
}

EPILOG = """\
\b
Examples:
  listener run                            listen, with a live display
  listener run --json | jq .label         events as JSON lines, for scripts
  listener classify holiday.wav           the sounds in a recording
  listener devices                        the microphones of this machine
  listener run --device USB --set gate.kind=bands
  arecord -f S16_LE -r 48000 | listener run --source stdin --rate 48000
"""

COMPLETE_VARIABLE = "_LISTENER_COMPLETE"  # set by the completion script of a shell; click's name for it


class _LazyGroup(click.Group):
    """Imports the module of a command only when that command is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"listener.cli.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            from listener.base.schema import suggestion

            raise click.UsageError(f"unknown command {args[0]!r}. {suggestion(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    "listener",
    cls=_LazyGroup,
    epilog=EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="listener %(version)s")
@click.pass_context
def group(ctx: click.Context) -> int:
    """Names the sounds that a microphone hears. Nothing leaves this machine."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: The command and its options; by default those of this process.

    Returns:
        The exit status.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's pool of threads spins between clips
    _make_output_safe()
    if instruction := os.environ.get(COMPLETE_VARIABLE):
        from click.shell_completion import shell_complete

        return shell_complete(group, {}, "listener", COMPLETE_VARIABLE, instruction)
    with signals.captured() as capture:
        try:
            with group.make_context("listener", list(sys.argv[1:] if argv is None else argv), obj=capture) as ctx:
                status: int = group.invoke(ctx)
            sys.stdout.flush()
            return status
        except click.exceptions.Exit as err:  # --help and --version
            return err.exit_code
        except Exception as err:
            if os.environ.get(DEBUG_VARIABLE):
                raise
            return report_error(err)


def _make_output_safe() -> None:
    """Make printing survive every locale, and a standard output or error that was closed."""
    if sys.stdout is None:
        discard_output()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
