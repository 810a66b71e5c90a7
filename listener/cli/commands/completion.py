"""`listener completion`: what makes a shell complete our commands, flags, labels and microphones."""

import argparse
from typing import get_args

from listener import config as configuration
from listener.cli import common, completion, flags
from listener.cli import main as command_line
from listener.cli.common import Setup
from listener.cli.completion import Known, Shell
from listener.daemon.signals import Capture


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument("shell", choices=get_args(Shell), help="the shell to write it for")
    common.add_config_flags(parser)


def main(arguments: argparse.Namespace, capture: Capture) -> int:  # noqa: ARG001
    """Print the completion file."""
    setup = common.read(arguments)
    print(completion.script(arguments.shell, flags.commands(command_line.full_parser()), known(setup)), end="")
    return 0


def known(setup: Setup) -> Known:
    """The names that may be completed: the model's labels as they are reported, groups, microphones."""
    config, bundle = setup.config, setup.bundle
    return Known(
        tuple(configuration.event_labels(config, bundle)),
        tuple(configuration.groups(config, bundle)),
        tuple(part.config.name for part in config.sources),
    )
