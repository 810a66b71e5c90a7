"""Completion offers commands, options and names of the configuration, in each shell that is here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from listener.cli import main
from tests.cli.conftest import Listener

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]


def offered(*words: str, incomplete: str = "") -> list[str]:
    shell = ShellComplete(main.group, {}, "listener", main.COMPLETE_VARIABLE)
    return [item.value for item in shell.get_completions(list(words), incomplete)]


@pytest.mark.parametrize(
    ("words", "incomplete", "wanted"),
    [
        ([], "cl", ["classify"]),
        (["tail"], "--la", ["--label"]),
        (["tail", "--label"], "dog", ["dog_bark"]),
        (["history", "--group"], "al", ["alarm"]),
        (["snooze"], "micro", ["microphone"]),
        (["snooze"], "al", ["alarm", "alarm_clock", "all"]),
        (["tail", "--label"], "$(", []),
        (["devices", "--backend"], "py", ["pyaudio"]),
    ],
)
def test_words_are_completed(words: list[str], incomplete: str, wanted: list[str]) -> None:
    assert offered(*words, incomplete=incomplete) == wanted


def test_labels_are_those_of_the_configuration_on_the_line(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[labels.dog_bark]\nname = "next_door"\n')
    line = ["history", "--config", str(tmp_path / "c.toml"), "--label"]
    assert offered(*line, incomplete="next") == ["next_door"]
    (tmp_path / "c.toml").write_text("not TOML")
    assert offered(*line, incomplete="d") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_can_read_the_script(shell: str, listener: Listener, tmp_path: Path) -> None:
    done = listener("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    if shutil.which(shell):
        (tmp_path / "script").write_text(done.stdout)
        check = "--no-execute" if shell == "fish" else "-n"
        subprocess.run([shell, check, tmp_path / "script"], check=True)


def test_the_packaged_bash_file_completes_a_command(tmp_path: Path) -> None:
    (tmp_path / "listener").write_text(f'#!/bin/sh\nexec {sys.executable} -m listener "$@"\n')
    (tmp_path / "listener").chmod(0o755)
    script = (ROOT / "packaging" / "completion" / "listener").read_text()
    ask = "COMP_WORDS=(listener cl); COMP_CWORD=1; _listener_completion listener; echo ${COMPREPLY[@]}"
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\n{ask}"],
        cwd=ROOT,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["classify"]
