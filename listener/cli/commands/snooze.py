"""`listener snooze`: not to be told of a label, a group or a microphone for a while."""

import argparse
import re
from datetime import datetime

from listener import messages
from listener.client import Client
from listener.daemon.signals import Capture
from listener.errors import ConfigError

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument(
        "what", nargs="?", help="a label, a group, a source, or all; without it, say what is snoozed now"
    )
    parser.add_argument("duration", nargs="?", help="as 30m, 2h or 1h30m; without it, until it is woken")
    parser.add_argument("--wake", action="store_true", help="report it again")
    parser.add_argument("--connect", metavar="ADDRESS", help="unix:PATH; default: this machine's")


def main(arguments: argparse.Namespace, capture: Capture) -> int:  # noqa: ARG001
    """Ask the daemon, and print what is snoozed afterwards."""
    state = Client(arguments.connect).command(_command(arguments))
    for what, until in state.snoozed.items():
        print(f"{what}  until {_local(until)}" if until else f"{what}  until it is woken")
    if not state.snoozed:
        print("nothing is snoozed")
    return 0


def seconds(text: str) -> float:
    """What a duration says. ConfigError where it says nothing."""
    if not re.fullmatch(r"(\d+(\.\d+)?[smhd])+", text):
        raise ConfigError(f"{text!r} is no duration; write it as 45s, 30m, 2h, 1h30m or 3d")
    return sum(float(number) * UNITS_S[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)([smhd])", text))


def _command(arguments: argparse.Namespace) -> messages.Command:
    if arguments.wake and arguments.what is None:
        raise ConfigError("--wake: say what is to be reported again, as in `listener snooze --wake dog_bark`")
    if arguments.what is None:
        return messages.Command(command="state")
    if arguments.wake:
        return messages.Command(command="wake", what=arguments.what)
    for_s = seconds(arguments.duration) if arguments.duration else None
    return messages.Command(command="snooze", what=arguments.what, for_s=for_s)


def _local(until: str) -> str:
    """The day is said where it is not today."""
    moment = datetime.fromisoformat(until).astimezone()
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")
