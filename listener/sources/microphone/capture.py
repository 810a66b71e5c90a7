"""The child process that owns PortAudio: it opens one microphone and writes the audio to standard output.

Run as `python -m listener.sources.microphone.capture`. Its reader may kill it at any time: nothing here needs an
orderly close, and closing PortAudio may hang. It exits when standard input ends, because its reader has died then.
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
    identities,
    open_best,
)
from listener.sources.microphone.protocol import BACKENDS, BLOCK_MS, GONE_STATUS, HEADER, MAGIC

BACKLOG_S = 5.0  # audio that may wait for a slow reader, beside that in the pipe; then the oldest is dropped
LIVENESS_S = 0.5  # how often the device is checked


class PacketWriter:
    """Writes packets to the pipe from PortAudio's callback, without waiting: what does not fit is kept back.

    The callback itself writes, because waking a thread costs a third of what the whole process does.

    Args:
        fd: The pipe.
        block_ms: The length of most packets, in milliseconds.
    """

    def __init__(self, fd: int, block_ms: int) -> None:
        self._fd = fd
        self._waiting: deque[bytes] = deque(maxlen=max(1, round(BACKLOG_S * 1000 / block_ms)))
        self._begun = b""  # the rest of a packet of which a part was written: it must not be dropped
        self._next = 0  # the number of the next sample
        self._received_at = 0.0
        self._rate = 0  # Hz; 0 until it is open

    def open(self, rate: int) -> None:
        """Begin to write; `rate` is in Hz."""
        os.set_blocking(self._fd, False)
        self._rate = rate

    def deliver(self, pcm: bytes, samples: int, overflowed: bool) -> None:
        """Take a block from the callback. `samples` are per channel; `overflowed` if some were lost before it."""
        now = time.monotonic()
        if overflowed:  # PortAudio does not count what it lost: the clock does, and it is at least a gap
            self._next += max(1, round((now - self._received_at) * self._rate) - samples)
        self._received_at = now
        self._waiting.append(HEADER.pack(MAGIC, samples, self._next, time.time()) + pcm)
        self._next += samples
        if self._rate:
            self._write()

    def _write(self) -> None:
        try:
            while self._begun or self._waiting:
                packet = self._begun = self._begun or self._waiting.popleft()  # kept if it cannot be written
                self._begun = packet[os.write(self._fd, packet) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            os._exit(0)


def main() -> int:
    """Capture, or list the inputs. Returns the exit status."""
    arguments = _arguments()
    if not arguments.list and not arguments.find:
        threading.Thread(target=_end_with_the_reader, daemon=True).start()
    try:
        library = backend(arguments.backend)
        if arguments.list:
            _list(library)
            return 0
        if arguments.find:
            _answer(device=choose(_inputs(library), arguments.device, library.default()).name)
            return 0
        return _capture(library, arguments)
    except CaptureError as err:
        _answer(error=err.message, code=err.code, remedy=err.remedy, lasting=err.is_lasting)
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=BACKENDS, default="sounddevice")
    parser.add_argument("--device", action="append", default=[])
    parser.add_argument("--rate", type=int, default=16000)
    parser.add_argument("--channels", type=int, default=0)
    parser.add_argument("--min-channels", type=int, default=1)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--find", action="store_true")
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
    rate, channels, alive = open_best(library, device, wish, writer.deliver)
    _answer(device=device.name, rate=rate, channels=channels, identities=identities(devices, device))
    writer.open(rate)
    while alive():
        time.sleep(LIVENESS_S)
    os._exit(GONE_STATUS)  # no return: closing a stream whose device has gone can hang


def _list(library: Backend) -> None:
    devices = _inputs(library)
    _answer(
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
    """Return the rates at which a device opens, rising, in Hz."""
    rates = sorted({*RATES, device.rate} - {0})
    return [
        rate for rate in rates if any(library.offers(device, rate, count) for count in {1, min(2, device.channels)})
    ]


def _answer(**facts: object) -> None:
    os.write(1, json.dumps(facts).encode() + b"\n")  # less than a pipe holds, so it is never written in part


if __name__ == "__main__":
    sys.exit(main())
