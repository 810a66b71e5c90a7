"""Follows from which source of a PulseAudio or PipeWire server a program records, and which is the default.

A sound server moves streams silently: to another microphone when theirs has gone, or when a user picks another default.
`pactl subscribe` sleeps until something changes; only then short questions are asked.
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

ANSWER_S = 2.0  # a frozen server does not answer
SETTLE_S = 0.5  # changes come in groups
READ_BYTES = 1 << 16
SYSTEM_SERVER = "unix:/run/pulse/native"


@dataclass(frozen=True, slots=True)
class StreamRoute:
    """The source from which a program records, and the server's default source."""

    source: str
    default: str


class SoundServerMonitor:
    """Follows the stream of a program from `open` to `close`.

    Without `pactl`, a server or a stream of the program it reports no change. The thread that opens it must live on,
    because `pactl` ends with that thread.

    Args:
        pid: The program.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._subscription: subprocess.Popen[bytes] | None = None
        self._closed = threading.Event()
        self._first: StreamRoute | None = None
        self._now: StreamRoute | None = None

    @property
    def moved(self) -> str:
        """The source to which the stream was moved, or an empty string."""
        first, now = self._first, self._now
        return now.source if first and now and now.source != first.source else ""

    @property
    def offered(self) -> str:
        """The server's default if it has changed and is not being recorded, or an empty string."""
        first, now = self._first, self._now
        return now.default if first and now and now.default not in (first.default, now.source) else ""

    def open(self) -> None:
        """Begin to follow the stream."""
        if self._subscription is not None or not _server() or not (shutil.which("pactl") and shutil.which("setpriv")):
            return
        try:
            # Without this it would survive if we are killed.
            self._subscription = _begun("setpriv", "--pdeathsig", "KILL", "pactl", "subscribe")
        except OSError as err:
            log.debug("pactl cannot be run: %s", err)
            return
        threading.Thread(target=self._follow, args=(self._subscription,), name="sound server", daemon=True).start()

    def close(self) -> None:
        """Stop following. Returns at once, also if the server is frozen."""
        self._closed.set()
        if self._subscription is not None:
            self._subscription.kill()

    def _follow(self, subscription: subprocess.Popen[bytes]) -> None:
        assert subscription.stdout
        with subscription:  # the end of pactl ends it
            self._look()
            while events := os.read(subscription.stdout.fileno(), READ_BYTES):
                if b" on server #" in events or b" on source-output #" in events:
                    self._closed.wait(SETTLE_S)
                    self._look()

    def _look(self) -> None:
        if self._closed.is_set():
            return
        try:
            answers = _answer("list", "source-outputs"), _answer("list", "sources"), _answer("info")
        except (OSError, subprocess.SubprocessError) as err:
            log.debug("the sound server gives no answer: %s", err)
            return
        found = stream_route(*answers, self._pid)
        self._first = self._first or found
        self._now = found or self._now


def stream_route(outputs: str, sources: str, info: str, pid: int) -> StreamRoute | None:
    """Read the route of a program's stream from the answers of `pactl` about streams, sources and the server."""
    streams = re.split(r"^Source Output #", outputs, flags=re.MULTILINE)
    stream = next((stream for stream in streams if f'application.process.id = "{pid}"' in stream), "")
    number = re.search(r"^\s+Source: (\d+)$", stream, re.MULTILINE)
    default = re.search(r"^Default Source: (.+)$", info, re.MULTILINE)
    if not number or not default:
        return None
    source = re.search(rf"^Source #{number[1]}$.*?^\s+Name: (.+?)$", sources, re.MULTILINE | re.DOTALL)
    return StreamRoute(source[1], default[1]) if source else None


def _answer(*question: str) -> str:
    with _begun("pactl", *question) as asked:
        try:
            return asked.communicate(timeout=ANSWER_S)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            asked.kill()
            raise


def _server() -> str:
    """Return the address of a running sound server, or an empty string. By itself `pactl` would start one."""
    return next(filter(_may_answer, (*paths.sound_servers(), SYSTEM_SERVER)), "")


def _may_answer(server: str) -> bool:
    return not server.startswith("unix:") or Path(server.removeprefix("unix:")).is_socket()


def _begun(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env={**os.environ, "PULSE_SERVER": _server(), "LC_ALL": "C"},  # its answers are translated
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # no Ctrl-C of the terminal
    )
