"""The cost of `listener watch`, for the daemon and itself, and its latency."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from bench import processes, sounds
from bench.listening import Listening
from bench.microphone import RATE, SINK, VirtualMicrophone, virtual_microphone
from bench.plan import Plan
from bench.rows import BenchError, Row

MOST_MORE = 1.0  # per cent of a core that a watcher may cost the daemon
MOST_SEEN_MS = 300.0
SETTLE_S = 8.0
APART_S = 8.3  # longer than the picture, and no multiple of a block
NARROW = 60  # columns of 80 ms
GONE_S = 2.0  # a burst has left the picture
BURST_S = 0.3
BURSTS = 6  # for each play of the plan
LOUD = 0.05  # of full scale
LOUDEST_SHADE = "█".encode()
RECORDED_MS = 10
PATIENCE_S = 30.0


def rows(plan: Plan) -> Iterator[Row]:
    """Yield the CPU use with and without a terminal, and the latency of bursts."""
    count = BURSTS * plan.sizes.plays
    quiet_s = 4 * SETTLE_S + 3 * plan.sizes.live_s
    path = sounds.write(plan.scratch / "bursts.wav", _bursts(quiet_s, count), RATE)
    with (
        virtual_microphone(plan.scratch) as microphone,
        microphone.background(path),
        Listening(plan, microphone.variables) as listener,
    ):
        listener.started_s()
        yield from _costs(plan, listener)
        yield _seen(listener, microphone, count)


def _bursts(quiet_s: float, count: int) -> "np.ndarray":
    """A quiet room, then bursts."""
    room = sounds.room_noise(quiet_s + count * APART_S + PATIENCE_S, RATE)
    burst = sounds.room_noise(BURST_S, RATE, dbfs=-15)
    for number in range(count):
        begin = int((quiet_s + number * APART_S) * RATE)
        room[begin : begin + len(burst)] = burst
    return room


def _costs(plan: Plan, listener: Listening) -> Iterator[Row]:
    seconds, daemon = plan.sizes.live_s, listener.process.pid
    listener.wait(SETTLE_S)
    alone = _share(listener, seconds, daemon)[0]
    for width, height in ((80, 24), (200, 50)):
        with _terminal(listener, width, height) as terminal:
            listener.wait(SETTLE_S)
            watched, own = _share(listener, seconds, daemon, terminal.pid)
        note = f"{watched:.2f} % with it, {alone:.2f} % without; +-{200 / processes.TICKS_S / seconds:.2f}"
        yield Row(f"watch {width}x{height}, adds to the daemon", watched - alone, "%", MOST_MORE, note=note)
        sent = f"{terminal.received / (seconds + SETTLE_S) / 1000:.0f} kB a second to the terminal"
        yield Row(f"watch {width}x{height}, its own share of a core", own, "%", note=sent)


def _share(listener: Listening, seconds: float, *pids: int) -> list[float]:
    """Per cent of a core that each process used."""
    began, before = time.monotonic(), [processes.cpu_s(pid) for pid in pids]
    listener.wait(seconds)
    elapsed = time.monotonic() - began
    return [100 * (processes.cpu_s(pid) - used) / elapsed for pid, used in zip(pids, before, strict=True)]


def _seen(listener: Listening, microphone: VirtualMicrophone, count: int) -> Row:
    with _Recorder(microphone) as recorder, _terminal(listener, NARROW, 24, NO_COLOR="1") as terminal:
        deadline = time.monotonic() + 2 * PATIENCE_S + count * APART_S + 3 * SETTLE_S
        while len(recorder.onsets) < count or not terminal.seen or terminal.seen[-1] < recorder.onsets[-1]:
            if time.monotonic() > deadline:
                raise BenchError(f"of {count} bursts {len(recorder.onsets)} were recorded; the last was not seen")
            listener.wait(0.2)
    late = [_first_after(onset, terminal.seen) - onset for onset in recorder.onsets]
    ms = 1000 * np.percentile(late, [50, 95, 100])
    note = f"{len(late)} bursts: median {ms[0]:.0f}, most {ms[2]:.0f}; a block of audio is 160 of them"
    return Row("sound to spectrogram on screen, p95", float(ms[1]), "ms", MOST_SEEN_MS, note=note)


def _first_after(onset: float, times: list[float]) -> float:
    return next(at for at in times if at >= onset)


class _Recorder:
    """A second reader of the microphone that finds the start of a burst within about 10 ms."""

    def __init__(self, microphone: VirtualMicrophone) -> None:
        self.onsets: list[float] = []
        command = ["parec", "--raw", f"--device={SINK}.monitor", "--format=s16le", "--channels=1"]
        self._process = subprocess.Popen(
            [*command, f"--rate={RATE}", f"--latency-msec={RECORDED_MS}"],
            env=processes.environment(**microphone.variables),
            stdout=subprocess.PIPE,
        )
        self._thread = threading.Thread(target=self._read, name="bench recorder", daemon=True)

    def __enter__(self) -> "_Recorder":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()

    def _read(self) -> None:
        assert self._process.stdout
        while chunk := self._process.stdout.read(2 * RATE * RECORDED_MS // 1000):
            now = time.monotonic()
            loud = np.abs(np.frombuffer(chunk, np.int16)).max() > LOUD * 32_768
            if loud and (not self.onsets or now - self.onsets[-1] > APART_S / 2):
                self.onsets.append(now)


class _Terminal:
    """A terminal with `listener watch` whose output is read and discarded."""

    def __init__(self, ours: int, pid: int) -> None:
        self.pid = pid
        self.received = 0  # bytes
        self.seen: list[float] = []  # when a burst first appeared
        self._ours = ours
        self._ending = False

    def read(self) -> None:
        before = 0.0
        while not self._ending:
            if not select.select([self._ours], [], [], 0.2)[0]:
                continue
            try:
                chunk = os.read(self._ours, 1 << 20)
            except OSError:  # the other side of the terminal has closed
                return
            self.received += len(chunk)
            if LOUDEST_SHADE in chunk:
                now = time.monotonic()
                if now - before > GONE_S:
                    self.seen.append(now)
                before = now

    def end(self) -> None:
        self._ending = True


@contextmanager
def _terminal(listener: Listening, width: int, height: int, **variables: str) -> Iterator[_Terminal]:
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    command = [sys.executable, "-m", "listener", "watch", "--connect", f"unix:{listener.socket}"]
    environment = processes.environment(TERM="xterm-256color", **variables)
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True)
    os.close(its)
    terminal = _Terminal(ours, process.pid)
    reader = threading.Thread(target=terminal.read, name="bench terminal", daemon=True)
    reader.start()
    try:
        yield terminal
    finally:
        process.terminate()
        process.wait()
        terminal.end()
        reader.join()
        os.close(ours)
