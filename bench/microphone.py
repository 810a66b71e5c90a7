"""A PortAudio microphone on a machine without a sound card, by tests/virtual_mic.sh."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import processes
from bench.plan import ROOT
from bench.rows import SkippedError

SCRIPT = ROOT / "tests" / "virtual_mic.sh"
START_S = 180.0  # it may install packages
SINK = "virtual_mic"
RATE = 48_000  # its own rate: a mono file passes through unchanged
PLAYER_END_S = 2.0


class VirtualMicrophone:
    """The microphone. `variables` are the environment of a program that uses it."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.variables = variables

    @contextmanager
    def playing(self, path: Path) -> Iterator[float]:
        """Play a file without delay until the block ends. Yields the monotonic time of the player's start."""
        began = time.monotonic()
        with self._player([str(SCRIPT), "play", str(path)]):
            yield began

    @contextmanager
    def background(self, path: Path) -> Iterator[None]:
        """Play a file until the block ends, with a player that lets PulseAudio sleep.

        The script's player asks for 20 ms of latency; the sound server then wakes whoever listens four times as
        often, which a microphone does not, and which would count as the capture child's.
        """
        with self._player(["paplay", f"--device={SINK}", str(path)]):
            yield

    @contextmanager
    def _player(self, argv: list[str]) -> Iterator[None]:
        player = subprocess.Popen(
            argv,
            env=processes.environment(**self.variables),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that the script's child ends with it
        )
        try:
            yield
        finally:
            if player.poll() is None:
                os.killpg(player.pid, signal.SIGKILL)
            player.wait(PLAYER_END_S)


@contextmanager
def virtual_microphone(scratch: Path) -> Iterator[VirtualMicrophone]:
    """Provide a microphone for the block. Raises SkippedError, with the reason, if the machine cannot."""
    folder = {"VIRTUAL_MIC_DIR": str(scratch / "mic")}
    try:
        yield VirtualMicrophone(_variables(_run("start", folder)))
    finally:
        _run("stop", folder)


def _run(command: str, variables: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            [SCRIPT, command],
            env=processes.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=True,
        )
    except subprocess.CalledProcessError as err:
        said = err.stderr.strip().splitlines() or [f"status {err.returncode}"]
        raise SkippedError(f"no virtual microphone: {said[-1]}") from err
    except (OSError, subprocess.TimeoutExpired) as err:
        raise SkippedError(f"no virtual microphone: {err}") from err
    return done.stdout


def _variables(exports: str) -> dict[str, str]:
    """Parse lines like `export NAME='value'`."""
    pairs = (shlex.split(line)[1].partition("=") for line in exports.splitlines() if line.startswith("export "))
    return {name: value for name, _, value in pairs}
