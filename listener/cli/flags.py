"""What the command line offers, as values: completion and the manual are written from them.

argparse tells nobody what it was given, so that this file alone reads its lists of actions.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Argument:
    """A flag, or an operand where it has no names."""

    names: tuple[str, ...]
    key: str  # of the namespace
    value: str  # what help calls its value; empty: it takes none
    choices: tuple[str, ...]
    meaning: str
    needed: bool
    many: bool


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the program with all it takes."""

    name: str
    meaning: str
    flags: tuple[Argument, ...]
    operands: tuple[Argument, ...]


def commands(parser: argparse.ArgumentParser) -> tuple[Command, ...]:
    """The commands of a parser that knows the flags of them all, in the order of its help."""
    (chooser,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return tuple(
        _command(choice.dest, str(choice.help), chooser.choices[choice.dest]) for choice in chooser._choices_actions
    )


def _command(name: str, meaning: str, parser: argparse.ArgumentParser) -> Command:
    arguments = tuple(_arguments(parser))
    flags = tuple(argument for argument in arguments if argument.names)
    return Command(name, meaning, flags, tuple(argument for argument in arguments if not argument.names))


def _arguments(parser: argparse.ArgumentParser) -> Iterator[Argument]:
    for action in parser._actions:
        choices = tuple(str(choice) for choice in action.choices or ())
        needed = action.required or action.nargs in (None, "+")
        meaning = (action.help or "").replace("%%", "%")
        names = tuple(action.option_strings)
        yield Argument(
            names, action.dest, _value(action, choices), choices, meaning, needed, action.nargs in ("*", "+")
        )


def _value(action: argparse.Action, choices: tuple[str, ...]) -> str:
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return action.metavar
    return "|".join(choices) if choices else action.dest.upper() if action.option_strings else action.dest
