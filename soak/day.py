"""24 hours of audio as fast as possible, with every sink, after a warm-up of 12."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import numpy as np

from bench import sounds
from listener import messages
from listener.storage.history import Query, Reader
from models.data.synthesis import synthesise
from soak.plan import Plan, SkippedError, SoakError
from soak.recovery import clean_row
from soak.rows import Row
from soak.running import Running, Watcher
from soak.vitals import Vitals, alone, slope
from tests.broker import MOSQUITTO, Broker, certificates, free_port
from tests.receiver import Server, answers

DAY_S = 86_400.0
SCENE_S, RATE = 1200.0, 16_000
SOUNDS = (("smoke_alarm", 100), ("doorbell", 400), ("telephone_ring", 700), ("siren", 1000))
SOUND_S = 8.0
LONGEST_S = 60.0  # longer than any event of the scene
MOST_MB_A_DAY = 1.0
WARM_UP = 1 / 3  # of the audio: half a day, in which bounded caches fill
SAMPLE_S = 2.0
STILL_S = 60.0  # without progress, after which the daemon hangs


def rows(plan: Plan) -> Iterator[Row]:
    """Yield rows on memory and on the events."""
    if MOSQUITTO is None:
        raise SkippedError("no mosquitto on this machine (make test installs it)")
    with ExitStack() as stack:
        config, port = _config(plan, stack), free_port()
        config += f'[[sink]]\nkind = "prometheus"\naddress = "127.0.0.1:{port}"\n'
        daemon = stack.enter_context(Running(plan.scratch / "d", config))
        daemon.listens()
        began = time.monotonic()
        with Watcher(daemon.socket) as watcher:
            samples = list(_samples(daemon, watcher, port, plan.length_s(DAY_S / (1 - WARM_UP), least=3600)))
            lost = watcher.status.sinks if watcher.status else {}
        speed = 3600 * samples[-1].at / (time.monotonic() - began)
        daemon.end()
        yield _memory_row(samples, speed)
        yield from _event_rows(daemon.folder)
        yield _lost_row(lost)
        yield clean_row("day", daemon)


def _samples(daemon: Running, watcher: Watcher, port: int, length_s: float) -> Iterator[Vitals]:
    """Samples of the daemon's vitals by hour of audio."""
    heard_s, progress_at = 0.0, time.monotonic()
    while heard_s < length_s:
        time.sleep(SAMPLE_S)
        urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read()
        now_s = watcher.heard_s("file")
        if now_s > heard_s:
            heard_s, progress_at = now_s, time.monotonic()
        elif time.monotonic() - progress_at > STILL_S or watcher.ended:
            raise SoakError(f"it hears no more after {heard_s / 3600:.1f} h; {daemon.said[-300:]}")
        vitals = alone(daemon.pid, heard_s / 3600)  # without the short-lived programs of the command sink
        assert vitals
        yield vitals


def _memory_row(samples: list[Vitals], speed: float) -> Row:
    mb_a_day = 24 * slope(samples, WARM_UP)
    hours, memory_mb = samples[-1].at, samples[-1].memory_mb
    seen = f"{mb_a_day:+.2f} MB a day, {memory_mb:.0f} MB after {hours:.1f} h, {speed:.0f} times real time"
    return Row("day: memory", f"< {MOST_MB_A_DAY:g} MB a day", seen, mb_a_day < MOST_MB_A_DAY)


def _event_rows(folder: Path) -> Iterator[Row]:
    """Count the events in the log file and in the history."""
    lines = [line for path in sorted(folder.glob("events.jsonl*")) for line in path.read_bytes().splitlines()]
    events = [message for line in lines if isinstance(message := messages.decode(line), messages.Event)]
    yield Row(
        "day: every line is valid", "each is an event", f"{len(events)} of {len(lines)}", 0 < len(events) == len(lines)
    )
    open_ones = Counter(event.id for event in events if event.phase != "update")
    stuck = sum(1 for count in open_ones.values() if count != 2)
    longest_s = max((event.end_s - event.start_s for event in events if event.end_s is not None), default=0.0)
    seen = f"{len(open_ones)} events, {stuck} without an end, the longest {longest_s:.0f} s"
    yield Row("day: no event is stuck", f"all end, within {LONGEST_S:g} s", seen, not stuck and longest_s < LONGEST_S)
    kept = list(Reader(folder / "state" / "listener" / "history.db").rows(Query()))
    clips = len(list((folder / "state").rglob("*.flac")))
    held = len(kept) == len(open_ones) and clips > 0
    yield Row("day: the history", "each event, none twice", f"{len(kept)} of {len(open_ones)}, {clips} clips", held)


def _lost_row(lost: dict[str, int]) -> Row:
    """Hook and webhook may drop events at this rate, but must count them."""
    must_not = {name: count for name, count in lost.items() if name not in ("command", "webhook")}
    seen = ", ".join(f"{name} {count}" for name, count in lost.items())
    return Row("day: lost by sinks", "none but by command and webhook", seen, not any(must_not.values()))


def _config(plan: Plan, stack: ExitStack) -> str:
    """A looped recording, and a sink of every kind with its receiver."""
    folder = plan.scratch / "broker"
    (plan.scratch / "authority").mkdir()
    certificates(plan.scratch / "authority")
    broker = Broker(folder, plan.scratch / "authority")
    broker.start()
    stack.callback(broker.kill)
    receiver = Server(answers(200))
    stack.callback(receiver.end)
    mqtt = "\n".join(f"{key} = {json.dumps(value)}" for key, value in broker.settings().items())
    scene = _scene(plan.scratch / "scene.wav")
    return (
        f'[[source]]\nkind = "file"\nname = "file"\npath = "{scene}"\nloop = true\n'
        f'[[sink]]\nkind = "mqtt"\n{mqtt}\n[[sink]]\nkind = "webhook"\nurl = "{receiver.url}"\n'
        '[[sink]]\nkind = "command"\nrun = ["true"]\n[[sink]]\nkind = "history"\nclips = ["smoke_alarm"]\n'
        f'[[sink]]\nkind = "log"\npath = "{plan.scratch / "d" / "events.jsonl"}"\nmax_mb = 100\n'
    )


def _scene(path: Path) -> Path:
    """Twenty minutes of a quiet room with a sound every five minutes."""
    room = sounds.room_noise(SCENE_S, RATE)
    for number, (label, at_s) in enumerate(SOUNDS):
        sound = 0.3 * synthesise(label, number, SOUND_S, RATE)
        room[at_s * RATE : at_s * RATE + len(sound)] += sound
    return sounds.write(path, np.clip(room, -1, 1), RATE)
