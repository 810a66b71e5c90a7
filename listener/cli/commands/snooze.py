"""`listener snooze`: do not report a label, a group or a source for a while."""

import click

from listener.cli import options, times
from listener.errors import ConfigError
from listener.messages import Command, State


@click.command()
@click.argument("what", required=False, type=options.Name("label", "group", "source", "all"))
@click.argument("duration", required=False)
@click.option("--until-woken", is_flag=True, help="Until `listener wake`, in place of a duration.")
@click.option("--wake", is_flag=True, help="The same as `listener wake`.", hidden=True)
@options.connect
def command(
    *, what: str | None, duration: str | None, until_woken: bool, wake: bool, connect: str | None, token_file: str
) -> int:
    """Do not report WHAT for a while: a label, a group, a source, or `all`.

    DURATION is written as 30m, 2h or 1h30m. Without WHAT, print what is snoozed now.
    """
    client = options.client(connect, token_file)
    if what is None and not (until_woken or wake):
        return show(client.command(Command(command="state")))
    if what is None:
        raise ConfigError("nothing is named", code="snooze-what", remedy="Name a label, a group, a source, or `all`.")
    if wake:
        return show(client.command(Command(command="wake", what=what)))
    if bool(duration) == until_woken:
        raise ConfigError(
            f"for how long is {what!r} to be snoozed?",
            code="snooze-duration",
            remedy=f"Give either a duration, as in `listener snooze {what} 2h`, or --until-woken.",
        )
    for_s = times.duration_s(duration) if duration else None
    return show(client.command(Command(command="snooze", what=what, for_s=for_s)))


def show(state: State) -> int:
    """Print what is snoozed; the exit status."""
    for what, until in state.snoozed.items():
        print(f"{what}  until {times.local_of(until)}" if until else f"{what}  until woken")
    if not state.snoozed:
        print("nothing is snoozed")
    return 0
