"""Two half-hour recordings under reloads, clients and faults: every line arrives exactly once."""

import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np

from bench import sounds
from listener import config as configuration
from listener import messages
from listener.client import Client
from listener.daemon.build import build_pipeline
from listener.errors import ListenerError
from listener.messages import Command, Event
from listener.pipeline import bundle as bundles
from listener.pipeline.classifier import Classifier
from listener.pipeline.framer import frames_of
from listener.sources.recording import read_blocks
from models.data.synthesis import synthesise
from soak.plan import Plan
from soak.recovery import clean_row
from soak.rows import Row
from soak.running import Running, until

LENGTH_S = 1800.0  # of each source
RATE = 16_000
LABELS = ("smoke_alarm", "doorbell", "telephone_ring", "siren")
EVERY_S = 30.0
END_S = 1200.0
PAUSE_S = 0.05  # between two disturbances
FAULTS = (
    '[[sink]]\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\n',  # nothing listens there
    '[[sink]]\nkind = "log"\npath = "/proc/listener/events.jsonl"\n',  # cannot be opened: the reload is refused
    '[gate]\nkind = "nonsense"\n',  # is wrong: likewise
    '[groups]\nnight = ["siren"]\n',
    '[[sink]]\nkind = "command"\nrun = ["false"]\n',
    "",
)


def rows(plan: Plan) -> Iterator[Row]:
    """Compare the events with those of the undisturbed pipeline."""
    length_s = plan.length_s(LENGTH_S, least=120.0)
    scenes = {name: _scene(plan.scratch / f"{name}.wav", number, length_s) for number, name in enumerate("ab")}
    with ThreadPoolExecutor(1) as calm, Running(plan.scratch / "d", _config(scenes, plan.scratch)) as daemon:
        daemon.listens()
        expected = calm.submit(_expected, scenes)
        with ExitStack() as stack:
            storm = _Storm(daemon, (daemon.folder / "config.toml").read_text(), plan.moments())
            for work in (storm.reload, storm.come_and_go, storm.babble, storm.never_read):
                stack.enter_context(_repeated(work))
            until(lambda: daemon.process.poll() is not None, "both recordings have ended", END_S)
        status = daemon.end()
        seen = f"{storm.counts['reload']} reloads, {storm.counts['client']} clients, exit status {status}"
        yield Row("lines: the storm", "it blew, and the daemon ended well", seen, not status and storm.blew)
        yield from _line_rows(_lines(plan.scratch), expected.result())
        yield clean_row("lines", daemon)


def _line_rows(lines: Sequence[Event], expected: Counter[tuple[str, str, float]]) -> Iterator[Row]:
    by_id = defaultdict(list)
    for event in lines:
        by_id[event.id].append(event)
    doubled = sum(len(each) - len({event.seq for event in each}) for each in by_id.values())
    holes = sum(max(event.seq for event in each) + 1 - len({event.seq for event in each}) for each in by_id.values())
    still_open = sum(each[-1].phase != "end" or each[0].phase != "start" for each in by_id.values())
    came = Counter((event.source, event.label, event.start_s) for event in lines if event.phase == "end")
    lost, more = sum((expected - came).values()), sum((came - expected).values())
    seen = f"{len(lines)} lines of {len(by_id)} events: {lost} events and {holes} lines lost, {more + doubled} too many"
    held = len(by_id) > 0 and not (lost or holes or more or doubled)
    yield Row("lines: none lost or doubled", "0", seen, held)
    yield Row("lines: no event is open", "0", str(still_open), not still_open)


class _Storm:
    """Disturbs the daemon. Each method is one disturbance; `counts` counts them."""

    def __init__(self, daemon: Running, config: str, random: Random) -> None:
        self._daemon, self._config, self._random = daemon, config, random
        self.counts: Counter[str] = Counter()

    @property
    def blew(self) -> bool:
        """Whether every kind of disturbance took place."""
        return min(self.counts[kind] for kind in ("reload", "client", "babble", "silent")) > 0

    def reload(self) -> None:
        """Reload with another configuration, valid or not."""
        path = self._daemon.folder / "config.toml"
        part = path.with_suffix(".part")
        part.write_text(self._config + self._random.choice(FAULTS))
        part.replace(path)
        with suppress(ListenerError):
            Client(f"unix:{self._daemon.socket}").command(Command(command="reload"))
        self.counts["reload"] += 1

    def come_and_go(self) -> None:
        """Connect, read some lines and disconnect."""
        client = Client(f"unix:{self._daemon.socket}")
        with suppress(ListenerError):
            for _ in islice(client.receive(["event", "level", "status"], replay=50), self._random.randint(1, 20)):
                pass
        client.close()
        self.counts["client"] += 1

    def babble(self) -> None:
        """Connect and send garbage."""
        with suppress(OSError), self._connected() as stranger:
            stranger.sendall(self._random.randbytes(2000) + b"\n")
            stranger.recv(100)
        self.counts["babble"] += 1

    def never_read(self) -> None:
        """Subscribe to everything and read nothing."""
        with suppress(OSError), self._connected() as stranger:
            stranger.sendall(b'{"subscribe": ["event", "level", "status", "spectrum"], "replay": 200}\n' * 20)
            time.sleep(0.5)
        self.counts["silent"] += 1

    def _connected(self) -> socket.socket:
        stranger = socket.socket(socket.AF_UNIX)
        stranger.settimeout(2.0)
        try:
            stranger.connect(str(self._daemon.socket))
        except OSError:
            stranger.close()
            raise
        return stranger


@contextmanager
def _repeated(work: Callable[[], None]) -> Iterator[None]:
    """Repeat some work in another thread until the block ends."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(PAUSE_S):
            work()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _config(scenes: Mapping[str, Path], scratch: Path) -> str:
    sources = [f'[[source]]\nkind = "file"\nname = "{name}"\npath = "{path}"\n' for name, path in scenes.items()]
    return "".join(sources) + f'[[sink]]\nkind = "log"\npath = "{scratch / "events.jsonl"}"\nmax_mb = 100\n'


def _expected(scenes: Mapping[str, Path]) -> Counter[tuple[str, str, float]]:
    """The events of the same recordings from the pipeline alone."""
    config = configuration.load(None)
    bundle = bundles.load(bundles.find(config.model.bundle))
    classifier, found = Classifier(bundle, "cpu"), Counter[tuple[str, str, float]]()
    for name, path in scenes.items():
        loop = build_pipeline(config, bundle, classifier.stream(), name)
        events = loop.events(frames_of(read_blocks(path), bundle.features.sample_rate))
        found.update((name, event.label, event.start_s) for event in events if event.phase == "end")
    return found


def _lines(scratch: Path) -> list[Event]:
    written = [line for path in sorted(scratch.glob("events.jsonl*")) for line in path.read_bytes().splitlines()]
    return [message for line in written if isinstance(message := messages.decode(line), Event)]


def _scene(path: Path, number: int, length_s: float) -> Path:
    """A quiet room with a different sound every half minute."""
    room = sounds.room_noise(length_s, RATE)
    for at_s in np.arange(5 + 7 * number, length_s - 15, EVERY_S):
        label = LABELS[int(at_s) % len(LABELS)]
        sound = 0.3 * synthesise(label, int(at_s), 8.0, RATE)
        room[int(at_s) * RATE : int(at_s) * RATE + len(sound)] += sound
    return sounds.write(path, np.clip(room, -1, 1), RATE)
