"""The parts that take input from others, well-formed examples for each, and the refusals that are right."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from listener import config as configuration
from listener.daemon import service
from listener.errors import ListenerError
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import DEFAULT
from listener.routing.controls import Controls
from listener.sinks.mqtt.session import Commands
from soak.fuzzing import audio, models, sockets
from tests.sinks.messages import HELLO

Take = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Target:
    """`opened` gives what takes an input. An exception that is no refusal is a fault."""

    opened: Callable[[Path], AbstractContextManager[Take]]
    seeds: Sequence[bytes]
    refusals: tuple[type[Exception], ...] = (ListenerError,)
    tokens: Sequence[bytes] = ()


@contextmanager
def _config(scratch: Path) -> Iterator[Take]:
    """As `listener check` reads it: the file, what only it and the model together can tell, and each part."""
    path, bundle = scratch / "config.toml", bundles.load(bundles.find(DEFAULT))

    def take(text: bytes) -> None:
        path.write_bytes(text)
        config = configuration.load(path, [])
        hello = service.hello(config, bundle, "cpu")
        configuration.mismatches(config, bundle)
        for part in config.sources:
            part.factory(part.config)
        for part in config.sinks:
            part.factory(part.config, hello)

    yield take


def _config_seeds() -> list[bytes]:
    """Each section with every option set to its default, and some that are as people write them."""
    lines = configuration.defaults().splitlines()
    written = [re.sub(r"^# (?=\[|[a-z_]+ = |# )", "", line) for line in lines if "not set" not in line]
    sections = "\n".join(written).split("\n\n")
    return [*(section.encode() for section in sections), *PEOPLES]


PEOPLES = [
    b'[labels.dog_bark]\non = 0.8\noff = 0.3\nname = "bark"\n[groups]\npets = ["dog_bark", "cat_meow"]\n',
    b'[[sink]]\nkind = "webhook"\nurl = "https://example.org/x"\nwhen = {labels = ["alarm"], hours = "22:00-06:30"}\n',
    b'[[source]]\nkind = "command"\nname = "a"\ncommand = ["arecord"]\n',
    b'[[sink]]\nkind = "socket"\ntcp = "127.0.0.1:0"\n',
    b'[[sink]]\nkind = "mqtt"\nhost = "h"\ntls = true\nuser = "u"\npassword_file = "p"\nbase = "a/b"\n',
]


@contextmanager
def _mqtt(_scratch: Path) -> Iterator[Take]:
    commands = Commands(Controls(HELLO.labels, {"alarm": ["siren"]}, HELLO.sources))

    def take(payload: bytes) -> None:
        commands.execute("kitchen", payload, retained=payload[:1] == b"R")

    yield take


COMMANDS = [
    b'{"command":"snooze","what":"siren","for_s":60}',
    b'{"command":"listen","what":"kitchen","labels":["siren","rain"]}',
    b'{"command":"threshold","what":"rain","on":0.7}',
    b'{"command":"wake","what":"all"}',
    b'{"command":"state"}',
    b'{"command":"mute"}',
]
WORDS = (
    b"kitchen",
    b"siren",
    b"all",
    b'"for_s":',
    b'"labels":',
    b'"on":',
    b'"command":',
    b'"subscribe":',
    b'"replay":',
)

TARGETS = {
    "config": Target(
        _config, _config_seeds(), tokens=(b"[[sink]]\n", b"[[source]]\n", b"kind = ", b" = [", b"when = {")
    ),
    "bundle": Target(models.manifest, models.manifest_seeds(), tokens=models.KEYS),
    "filters": Target(models.filters, models.filter_seeds()),
    "onnx": Target(models.onnx, models.onnx_seeds()),
    "wav": Target(audio.recording, audio.seeds(), tokens=audio.CHUNKS),
    "stdin": Target(audio.stdin, audio.seeds(), tokens=audio.CHUNKS),
    "socket": Target(sockets.server, [*COMMANDS, *sockets.SUBSCRIPTIONS], tokens=WORDS),
    "client": Target(sockets.client, sockets.lines(), tokens=WORDS),
    "mqtt": Target(_mqtt, [*COMMANDS, b"ON", b"OFF"], refusals=(), tokens=WORDS),
}
