"""Completion offers what the command line takes: asked of the shells themselves where they are here."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from listener.cli import completion, main
from listener.cli import flags as outline
from listener.cli.completion import Known, Shell

KNOWN = Known(("dog_bark", "siren"), ("alarm",), ("kitchen",))


def script(shell: Shell, known: Known = KNOWN) -> str:
    return completion.script(shell, outline.commands(main.full_parser()), known)


def run(shell: str, text: str, folder: Path) -> str:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed here")
    command = {"bash": ["bash", "--norc"], "zsh": ["zsh", "-f"], "fish": ["fish", "--no-config"]}[shell]
    done = subprocess.run([*command, "-c", text], capture_output=True, text=True, cwd=folder, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def in_bash(line: str, folder: Path) -> list[str]:
    """What bash offers for a command line whose last word is still being typed."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    ask = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; compopt() {{ :; }}; _listener"
    offered = run("bash", f'{script("bash")}\n{ask}; printf "%s\\n" "${{COMPREPLY[@]}}"', folder)
    return [word for word in offered.splitlines() if word]


def in_fish(line: str, folder: Path) -> list[str]:
    offered = run("fish", f"{script('fish')}\ncomplete -C '{line}'", folder)
    return [entry.split("\t")[0] for entry in offered.splitlines()]


@pytest.mark.parametrize("ask", [in_bash, in_fish])
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("listener cl", ["classify"]),
        ("listener tail --la", ["--label"]),
        ("listener tail --label d", ["dog_bark"]),
        ("listener run --json --source m", ["microphone"]),
        ("listener history --group ", ["alarm"]),
        ("listener snooze k", ["kitchen"]),
        ("listener classify ", ["my holiday.wav"]),
        ("listener run --config m", ["my holiday.wav"]),
        ("listener run --rate 1", []),
    ],
)
def test_a_word_is_completed(
    ask: Callable[[str, Path], list[str]], line: str, offered: list[str], tmp_path: Path
) -> None:
    (tmp_path / "my holiday.wav").touch()
    assert set(offered) <= set(ask(line, tmp_path))
    if line[-1] != " " or not offered:
        assert ask(line, tmp_path) == offered


@pytest.mark.parametrize("shell", get_args(Shell))
def test_every_command_and_flag_is_in_it_and_the_shell_can_read_it(shell: Shell, tmp_path: Path) -> None:
    text = script(shell)
    for command in outline.commands(main.full_parser()):
        assert command.name in text
        for flag in command.flags:
            assert all(name.lstrip("-") in text for name in flag.names)
    (tmp_path / "completion").write_text(text)
    flags = "--no-execute" if shell == "fish" else "-n"
    run(shell, f"{shell} {flags} completion", tmp_path)


@pytest.mark.parametrize("shell", get_args(Shell))
def test_a_name_that_a_shell_would_run_is_not_offered(shell: Shell) -> None:
    assert "touch" not in script(shell, Known(("$(touch x)", "it's touching"), (), ()))


def test_the_command_offers_the_labels_of_the_configured_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["completion", "bash", "--set", "labels.dog_bark.name=next_door"]) == 0
    printed = capsys.readouterr().out
    assert "next_door" in printed
    assert "dog_bark" not in printed
