"""Which source of a PulseAudio or PipeWire server a program records from, and which is the server's default.

A sound server moves streams without a word: to another microphone when theirs has gone, or when a user picks another
default. `pactl subscribe` is asked to tell: it sleeps until something changes, and only then short questions are put.
"""

import logging
import os
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from listener.base import paths

log = logging.getLogger(__name__)

ANSWER_S = 2.0  # a frozen server gives none
SETTLE_S = 0.5  # changes come in flocks
READ_BYTES = 1 << 16
OF_ALL = "unix:/run/pulse/native"  # where one that serves the whole machine is


@dataclass(frozen=True, slots=True)
class Wiring:
    """The source that a program's stream hangs on, and the server's default."""

    source: str
    default: str


class Switchboard:
    """The wiring of a program's stream from `open` to `close`.

    Nothing changes where there is no `pactl`, no server, or no stream of the program at it. To be opened by a thread
    that lives on: `pactl` ends with it.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._told: subprocess.Popen[bytes] | None = None
        self._closed = threading.Event()
        self._first: Wiring | None = None
        self._now: Wiring | None = None

    @property
    def moved(self) -> str:
        """The source that the stream was moved to; empty where it is on its first."""
        first, now = self._first, self._now
        return now.source if first and now and now.source != first.source else ""

    @property
    def offered(self) -> str:
        """The server's default where it has changed and is not what is heard: opening anew would bring it."""
        first, now = self._first, self._now
        return now.default if first and now and now.default not in (first.default, now.source) else ""

    def open(self) -> None:
        """Follow it from now on."""
        if self._told is not None or not _server() or not (shutil.which("pactl") and shutil.which("setpriv")):
            return
        try:
            # It would outlive us where we are killed: it does not even mind that nobody reads what it writes.
            self._told = _begun("setpriv", "--pdeathsig", "KILL", "pactl", "subscribe")
        except OSError as err:
            log.debug("pactl cannot be run: %s", err)
            return
        threading.Thread(target=self._follow, args=(self._told,), name="sound server", daemon=True).start()

    def close(self) -> None:
        """Follow it no more. Returns at once, also where the server is frozen."""
        self._closed.set()
        if self._told is not None:
            self._told.kill()

    def _follow(self, told: subprocess.Popen[bytes]) -> None:
        assert told.stdout
        with told:  # what ends it is the end of pactl
            self._look()
            while events := os.read(told.stdout.fileno(), READ_BYTES):
                if b" on server #" in events or b" on source-output #" in events:
                    self._closed.wait(SETTLE_S)
                    self._look()

    def _look(self) -> None:
        if self._closed.is_set():
            return
        try:
            found = wiring(_answer("list", "source-outputs"), _answer("list", "sources"), _answer("info"), self._pid)
        except (OSError, subprocess.SubprocessError) as err:
            log.debug("the sound server gives no answer: %s", err)
            return
        self._first = self._first or found
        self._now = found or self._now


def wiring(outputs: str, sources: str, info: str, pid: int) -> Wiring | None:
    """The wiring of a program's stream, from what `pactl` says of streams, of sources and of the server."""
    streams = re.split(r"^Source Output #", outputs, flags=re.MULTILINE)
    stream = next((stream for stream in streams if f'application.process.id = "{pid}"' in stream), "")
    number = re.search(r"^\s+Source: (\d+)$", stream, re.MULTILINE)
    default = re.search(r"^Default Source: (.+)$", info, re.MULTILINE)
    if not number or not default:
        return None
    source = re.search(rf"^Source #{number[1]}$.*?^\s+Name: (.+?)$", sources, re.MULTILINE | re.DOTALL)
    return Wiring(source[1], default[1]) if source else None


def _answer(*question: str) -> str:
    with _begun("pactl", *question) as asked:
        try:
            return asked.communicate(timeout=ANSWER_S)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            asked.kill()
            raise


def _server() -> str:
    """Where the sound server is; empty where there is none. Left to itself `pactl` would start one."""
    return next(filter(_may_answer, (*paths.sound_servers(), OF_ALL)), "")


def _may_answer(server: str) -> bool:
    return not server.startswith("unix:") or Path(server.removeprefix("unix:")).is_socket()


def _begun(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env={**os.environ, "PULSE_SERVER": _server(), "LC_ALL": "C"},  # its words are translated
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in a terminal is for us
    )
