"""The child process that owns PortAudio: opens one microphone and writes what it hears to standard output.

Run as `python -m listener.sources.microphone.capture`. The reader may end it with a signal at any time: nothing here
needs an orderly close, and closing PortAudio may hang. It exits when standard input ends, because then its reader has
died.
"""

import argparse
import json
import os
import sys
import threading
import time
from collections import deque

from listener.sources.microphone.identity import card
from listener.sources.microphone.portaudio import (
    RATES,
    Backend,
    CaptureError,
    Input,
    Wish,
    backend,
    choose,
    described,
    identities,
    open_best,
)
from listener.sources.microphone.protocol import BACKENDS, BLOCK_MS, GONE_STATUS, HEADER, MAGIC

BACKLOG_S = 5.0  # so much may wait for a slow reader, beside what the pipe holds; then the oldest goes
LIVENESS_S = 0.5  # the device is asked so often whether it is still there


class PacketWriter:
    """The way from PortAudio's callback to the pipe: it never waits. What the pipe has no room for stays behind.

    Written by the callback itself, since to wake a thread for it costs a third of what the whole process does.
    """

    def __init__(self, fd: int, block_ms: int) -> None:
        self._fd = fd
        self._waiting: deque[bytes] = deque(maxlen=max(1, round(BACKLOG_S * 1000 / block_ms)))
        self._begun = b""  # the rest of a packet that went out in part: it must not be dropped
        self._next = 0  # number of the next sample
        self._heard_at = 0.0
        self._rate = 0  # 0 until it is open

    def open(self, rate: int) -> None:
        """Let packets out."""
        os.set_blocking(self._fd, False)
        self._rate = rate

    def heard(self, pcm: bytes, samples: int, overflowed: bool) -> None:
        """Take what the callback was given."""
        now = time.monotonic()
        if overflowed:  # PortAudio does not say how much it lost: what the clock says, and at least a gap
            self._next += max(1, round((now - self._heard_at) * self._rate) - samples)
        self._heard_at = now
        self._waiting.append(HEADER.pack(MAGIC, samples, self._next, time.time()) + pcm)
        self._next += samples
        if self._rate:
            self._write()

    def _write(self) -> None:
        try:
            while self._begun or self._waiting:
                packet = self._begun or self._waiting.popleft()
                self._begun = packet  # until it is known to be out
                self._begun = packet[os.write(self._fd, packet) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            os._exit(0)


def main() -> int:
    """Capture, or list the inputs; exit status."""
    arguments = _arguments()
    if not arguments.list:
        threading.Thread(target=_end_with_the_reader, daemon=True).start()
    try:
        library = backend(arguments.backend)
        if arguments.list:
            _list(library)
            return 0
        return _capture(library, arguments)
    except CaptureError as err:
        _say(error=str(err), lasting=err.lasting)
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=BACKENDS, default="sounddevice")
    parser.add_argument("--device", action="append", default=[])
    parser.add_argument("--rate", type=int, default=16000)
    parser.add_argument("--channels", type=int, default=0)
    parser.add_argument("--min-channels", type=int, default=1)
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def _end_with_the_reader() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)  # PortAudio may hang in the main thread


def _capture(library: Backend, arguments: argparse.Namespace) -> int:
    devices = _inputs(library)
    device = choose(devices, arguments.device or ["default"], library.default())
    writer = PacketWriter(1, BLOCK_MS)
    wish = Wish(arguments.rate, arguments.channels, BLOCK_MS, arguments.min_channels)
    try:
        rate, channels, alive = open_best(library, device, wish, writer.heard)
    except CaptureError as err:
        raise CaptureError(f"{err}. There are: {described(devices)}") from err
    _say(device=device.name, rate=rate, channels=channels, identities=identities(devices, device))
    writer.open(rate)
    while alive():
        time.sleep(LIVENESS_S)
    os._exit(GONE_STATUS)  # not return: closing a stream whose device is gone can hang


def _list(library: Backend) -> None:
    devices = _inputs(library)
    _say(
        devices=[
            {
                "number": device.number,
                "name": device.name,
                "host_api": device.host_api,
                "channels": device.channels,
                "rates": _rates(library, device),
                "identity": identities(devices, device)[-1] if device.card else "",
            }
            for device in devices
        ]
    )


def _inputs(library: Backend) -> list[Input]:
    return [device._replace(card=card(device.name)) for device in library.inputs()]


def _rates(library: Backend, device: Input) -> list[int]:
    """The rates at which the device opens, rising."""
    rates = sorted({*RATES, device.rate} - {0})
    return [
        rate for rate in rates if any(library.offers(device, rate, count) for count in {1, min(2, device.channels)})
    ]


def _say(**facts: object) -> None:
    os.write(1, json.dumps(facts).encode() + b"\n")  # less than a pipe holds: never in part


if __name__ == "__main__":
    sys.exit(main())
