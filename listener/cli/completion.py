"""Shell completion, written from the outline of the command line: one static file a shell.

Nothing of ours runs when somebody presses Tab, for an interpreter takes longer to start than anybody likes to wait.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from listener.base import registry
from listener.cli.flags import Argument, Command

Shell = Literal["bash", "zsh", "fish"]

FILES = ("FILE", "FOLDER", "DIR")  # values that are names of files


@dataclass(frozen=True, slots=True)
class Known:
    """Names of this machine's configuration and its model that values may be."""

    labels: tuple[str, ...]
    groups: tuple[str, ...]
    sources: tuple[str, ...]

    def of(self, argument: Argument) -> tuple[str, ...]:
        """The words that a value may be; empty where it may be anything."""
        named = {
            "LABEL": self.labels,
            "GROUP": self.groups,
            "SOURCE": self.sources,
            "KIND": tuple(registry.SOURCES),
            "what": (*self.labels, *self.groups, *self.sources, "all"),
        }
        words = argument.choices or named.get(argument.value, ())
        return tuple(word for word in words if re.fullmatch(r"[\w.:-]+", word))  # shells expand what they are offered


def script(shell: Shell, commands: Sequence[Command], known: Known) -> str:
    """The completion file of a shell."""
    return "\n".join(WRITERS[shell](commands, known)) + "\n"


def _bash(commands: Sequence[Command], known: Known) -> Iterator[str]:
    names = " ".join(command.name for command in commands)
    yield "# bash completion for listener; `listener completion bash` writes it"
    yield "_listener() {"
    yield "    local current=${COMP_WORDS[COMP_CWORD]} command='' word words='' files=''"
    yield '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield f"        case $word in {names.replace(' ', '|')}) command=$word; break ;; esac"
    yield "    done"
    yield '    case "$command ${COMP_WORDS[COMP_CWORD-1]}" in'
    for command in commands:
        for flag in command.flags:
            if flag.value:
                pattern = "|".join(f"'{command.name} {name}'" for name in flag.names)
                yield f"        {pattern}) {_bash_value(flag, known)} ;;"
    yield "        *) case $command in"
    yield f"            '') words='{names} --help --version' ;;"
    for command in commands:
        yield f"            {command.name}) {_bash_words(command, known)} ;;"
    yield "        esac ;;"
    yield "    esac"
    yield '    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")'
    yield "    if [[ $files && $current != -* ]]; then"
    yield "        compopt -o filenames"
    yield '        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")'
    yield "    fi"
    yield "}"
    yield "complete -F _listener listener"


def _bash_value(argument: Argument, known: Known) -> str:
    return "files=1" if argument.value in FILES else f"words='{' '.join(known.of(argument))}'"


def _bash_words(command: Command, known: Known) -> str:
    flags = [name for flag in command.flags for name in flag.names if name.startswith("--")]
    operands = [word for operand in command.operands for word in known.of(operand)]
    takes_files = any(operand.value in FILES for operand in command.operands)
    return f"words='{' '.join((*flags, *operands))}'" + ("; files=1" if takes_files else "")


def _zsh(commands: Sequence[Command], known: Known) -> Iterator[str]:
    yield "#compdef listener"
    yield "# zsh completion for listener; `listener completion zsh` writes it"
    yield "_listener() {"
    yield "    local -a commands"
    yield "    commands=("
    yield from (f"        {shlex.quote(f'{command.name}:{command.meaning}')}" for command in commands)
    yield "    )"
    yield "    if (( CURRENT == 2 )); then _describe command commands; return; fi"
    yield "    local command=$words[2]"
    yield "    shift words; (( CURRENT-- ))"
    yield "    case $command in"
    for command in commands:
        yield f"        {command.name}) _arguments \\"
        yield " \\\n".join(f"            {shlex.quote(spec)}" for spec in _zsh_specs(command, known))
        yield "        ;;"
    yield "    esac"
    yield "}"
    yield '_listener "$@"'


def _zsh_specs(command: Command, known: Known) -> Iterator[str]:
    for flag in command.flags:
        value = f":{_zsh_text(flag.value)}:{_zsh_action(flag, known)}" if flag.value else ""
        yield from (f"*{name}[{_zsh_text(flag.meaning)}]{value}" for name in flag.names)
    for operand in command.operands:
        yield f"{'*' if operand.many else ''}:{_zsh_text(operand.value)}:{_zsh_action(operand, known)}"


def _zsh_action(argument: Argument, known: Known) -> str:
    return "_files" if argument.value in FILES else f"({' '.join(known.of(argument))})" if known.of(argument) else " "


def _zsh_text(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "[]:\\" else letter for letter in text)


def _fish(commands: Sequence[Command], known: Known) -> Iterator[str]:
    yield "# fish completion for listener; `listener completion fish` writes it"
    yield "complete -c listener -f"
    for command in commands:
        yield f"complete -c listener -n __fish_use_subcommand -a {command.name} -d {_fish_text(command.meaning)}"
    for command in commands:
        here = f"complete -c listener -n '__fish_seen_subcommand_from {command.name}'"
        for flag in command.flags:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names)
            yield f"{here} {names}{_fish_value(flag, known)} -d {_fish_text(flag.meaning)}"
        yield from (f"{here}{words}" for operand in command.operands if (words := _fish_words(operand, known)))


def _fish_value(flag: Argument, known: Known) -> str:
    if not flag.value:
        return ""
    return f"{' -r' if flag.value in FILES else ' -x'}{_fish_words(flag, known)}"


def _fish_words(argument: Argument, known: Known) -> str:
    if argument.value in FILES:
        return " -F"
    words = known.of(argument)
    return f" -a {_fish_text(' '.join(words))}" if words else ""


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


WRITERS: dict[Shell, Callable[[Sequence[Command], Known], Iterator[str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
