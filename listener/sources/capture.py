"""The child process that owns PortAudio: opens one microphone and writes what it hears to standard output.

Run as `python -m listener.sources.capture`. Its reader ends it by a signal whenever it likes: nothing here needs
to be closed in order, and PortAudio may hang while it is. It ends by itself when standard input does, which is
when its reader has died.
"""

import argparse
import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

from listener.sources.portaudio import (
    RATES,
    Backend,
    CaptureError,
    Input,
    Wish,
    backend,
    choose,
    described,
    open_best,
)
from listener.sources.protocol import BACKENDS, GONE_STATUS, HEADER, MAGIC

BACKLOG_S = 5.0  # so much may wait for a slow reader, beside what the pipe holds; then the oldest goes
LIVENESS_S = 0.25  # no block for so long: ask whether the stream is still going


class Backlog:
    """Packets between PortAudio's callback, which must never wait, and the pipe, which may."""

    def __init__(self, block_ms: int) -> None:
        self._waiting: deque[tuple[bytes, bytes]] = deque(maxlen=max(1, round(BACKLOG_S * 1000 / block_ms)))
        self._ready = threading.Event()
        self._next = 0  # number of the next sample
        self._heard_at = 0.0
        self.rate = 0

    def heard(self, pcm: bytes, samples: int, overflowed: bool) -> None:
        """Take what the callback was given."""
        now = time.monotonic()
        if overflowed:  # PortAudio does not say how much it lost: what the clock says, and at least a gap
            self._next += max(1, round((now - self._heard_at) * self.rate) - samples)
        self._heard_at = now
        self._waiting.append((HEADER.pack(MAGIC, samples, self._next, time.time()), pcm))
        self._next += samples
        self._ready.set()

    def write(self, write: Callable[[bytes], object], alive: Callable[[], bool]) -> None:
        """Write packets until the device gives no more."""
        while self._ready.wait(LIVENESS_S) or alive():
            self._ready.clear()
            while self._waiting:
                header, pcm = self._waiting.popleft()
                write(header + pcm)


def main() -> int:
    """Capture, or list the inputs; exit status."""
    arguments = _arguments()
    if not arguments.list:
        threading.Thread(target=_end_with_the_reader, daemon=True).start()
    try:
        library = backend(arguments.backend)
        if arguments.list:
            _say(devices=[{**device._asdict(), "rates": _rates(library, device)} for device in library.inputs()])
            return 0
        return _capture(library, arguments)
    except CaptureError as err:
        _say(error=str(err), lasting=err.lasting)
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=BACKENDS, default="sounddevice")
    parser.add_argument("--device", default="default")
    parser.add_argument("--rate", type=int, default=16000)
    parser.add_argument("--channels", type=int, default=0)
    parser.add_argument("--block-ms", type=int, default=40)
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def _end_with_the_reader() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)  # PortAudio may hang in the main thread


def _capture(library: Backend, arguments: argparse.Namespace) -> int:
    devices = library.inputs()
    device = choose(devices, arguments.device, library.default())
    backlog = Backlog(arguments.block_ms)
    wish = Wish(arguments.rate, arguments.channels, arguments.block_ms)
    try:
        backlog.rate, channels, alive = open_best(library, device, wish, backlog.heard)
    except CaptureError as err:
        raise CaptureError(f"{err}. There are: {described(devices)}") from err
    _say(device=device.name, rate=backlog.rate, channels=channels)
    try:
        backlog.write(_write, alive)
    except BrokenPipeError:
        os._exit(0)
    os._exit(GONE_STATUS)  # not return: closing a stream whose device is gone can hang


def _rates(library: Backend, device: Input) -> list[int]:
    """The rates at which the device opens, rising."""
    rates = sorted({*RATES, device.rate} - {0})
    return [
        rate for rate in rates if any(library.offers(device, rate, count) for count in {1, min(2, device.channels)})
    ]


def _say(**facts: object) -> None:
    _write(json.dumps(facts).encode() + b"\n")


def _write(message: bytes) -> None:
    view = memoryview(message)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    sys.exit(main())
