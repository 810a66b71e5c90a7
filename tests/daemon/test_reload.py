"""A running daemon goes by another configuration, loses no audio, leaves no event stuck on, and refuses a bad one."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest

from listener import config as configuration
from listener import messages as wire
from listener.base.requirements import Requirements
from listener.client import Client
from listener.config import Config, Part
from listener.daemon.build import build_pipeline
from listener.daemon.daemon import Daemon
from listener.daemon.service import Service, hello
from listener.daemon.stream import Stream
from listener.errors import ConfigError, SinkError, SourceError
from listener.messages import Hello
from listener.pipeline.bundle import Bundle
from listener.pipeline.values import Block
from listener.routing.controls import Controls
from listener.routing.sink_worker import SinkBinding
from listener.sources.fallback import Fallback
from tests.broker import MOSQUITTO, Broker, certificates
from tests.broker import Client as Subscriber
from tests.conftest import HEEDING_HANGUPS
from tests.fakes import FakeClassifier, FakeSink, FakeSource, blocks, noise, pcm
from tests.raising import raises
from tests.waiting import eventually

RATE = 16_000
QUIET, LOUD = -75.0, -12.0


class Sink(FakeSink):
    """Keeps what it is greeted with; `refuses` to open, where that is said. "once" and "tokenless" open once."""

    def __init__(self, greeting: Hello, diary: list[str], name: str, refuses: bool) -> None:
        super().__init__()
        self.greetings, self.name = [greeting], name
        self._diary, self._refuses = diary, refuses

    def on_hello(self, hello: Hello) -> None:
        if "set" in hello.labels:
            raise ConfigError("'set' is a topic already")
        self.greetings.append(hello)

    def open(self) -> None:
        again = f"open {self.name}" in self._diary
        self._diary.append(f"open {self.name}")
        if self._refuses or (again and self.name == "once"):
            raise SinkError("the port is taken")
        if again and self.name == "tokenless":
            raise ConfigError("token_file: it is not there")

    def close(self) -> None:
        self._diary.append(f"close {self.name}")


class Running:
    """A service on a source that is fed by hand. A sink is a log whose path is its name; `refusing` cannot open."""

    def __init__(self, bundle: Bundle, folder: Path, text: str, kind: type[Sink] = Sink) -> None:
        self.kind = kind
        self.diary: list[str] = []
        self.sinks: dict[str, Sink] = {}
        self.told: list[str] = []
        self._path = folder / "config.toml"
        self._fed: SimpleQueue[Block | None] = SimpleQueue()
        self._position = 0
        classifier = FakeClassifier(3)
        classifier.provider = "cpu"  # type: ignore[attr-defined]
        self.source = FakeSource(iter(self._fed.get, None), live=True)
        self.write(text)
        self.service = Service(self._read(), bundle, classifier, [self.source], make_sink=self._sink, read=self._read)  # type: ignore[arg-type]
        self.service.daemon._tell = lambda *states: self.told.extend(states)
        self._thread = threading.Thread(target=self.service.run)
        self._thread.start()
        self.hear(1, QUIET)

    def hear(self, seconds: float, dbfs: float) -> None:
        """Feed it so much noise; returns when all of it was heard."""
        samples = pcm(noise(seconds, dbfs, seed=self._position))
        for start in range(0, len(samples), RATE // 10):
            self._fed.put(Block(self._position + start, RATE, samples[start : start + RATE // 10, None]))
        self._position += len(samples)
        eventually(lambda: self._status().heard_s * RATE >= self._position - 400, "the audio was heard")

    def reload(self, text: str) -> str:
        """Give it another configuration; what came of it."""
        self.write(text)
        self.told.clear()
        self.service.reload()
        return self.status()

    def status(self) -> str:
        """What systemd was told of the reload, once it is over."""
        eventually(lambda: "READY=1" in self.told, "the reload is over")
        return next(state for state in self.told if state.startswith("STATUS=")).removeprefix("STATUS=")

    def write(self, text: str) -> None:
        """Change the file, and no more."""
        self._path.write_text(text if "[daemon]" in text else f"{text}\n[daemon]\nsocket = false\n")

    def events(self, name: str = "a") -> list[tuple[str | None, str]]:
        return [(event.phase, event.label) for event in self.sinks[name].events if event.phase != "update"]

    def said(self, *events: tuple[str, str], by: str = "a") -> None:
        """Wait until these are the starts and ends that a sink has got."""
        eventually(lambda: self.events(by) == list(events), f"{events} by {by}")

    def lost_s(self) -> float:
        return self._status().lost_s

    def end(self) -> None:
        self.service.daemon.stop()
        self._fed.put(None)
        self._thread.join(10)

    def _status(self) -> wire.SourceStatus:
        return self.service.daemon.status().sources["fake"]

    def _read(self) -> Config:
        return configuration.load(self._path)

    def _sink(self, part: Part, greeting: Hello) -> Sink:
        name = part.config.path
        if name == "broken":
            raise ZeroDivisionError("a stranger's sink is broken")
        self.sinks[name] = self.kind(greeting, self.diary, name, refuses=name == "refusing")
        return self.sinks[name]


def sink(name: str, more: str = "") -> str:
    return f'[[sink]]\nkind = "log"\npath = "{name}"\n{more}\n'


SOURCE = '[[source]]\nkind = "microphone"\nname = "fake"\n'


@pytest.fixture
def start(tiny: Bundle, tmp_path: Path) -> Iterator[Callable[[str], Running]]:
    """Starts a service of some configuration."""
    started = []

    def service(text: str) -> Running:
        started.append(Running(tiny, tmp_path, SOURCE + text))
        return started[-1]

    yield service
    for running in started:
        running.end()


def test_an_event_goes_on_by_its_new_rule_and_ends(start: Callable[[str], Running]) -> None:
    service = start(sink("a"))
    service.hear(2, LOUD)
    service.said(("start", "hiss"))
    assert service.reload(SOURCE + sink("a") + "[labels.hiss]\non = 0.97\nhold_s = 0.1\n") == "reloaded"
    service.hear(1, LOUD)
    assert service.events() == [("start", "hiss")]
    service.hear(4, QUIET)
    service.said(("start", "hiss"), ("end", "hiss"))
    service.hear(2, LOUD)
    assert len(service.events()) == 2  # its score never reaches the new threshold
    assert service.lost_s() == 0


def test_an_event_whose_label_is_switched_off_or_renamed_ends_at_once(start: Callable[[str], Running]) -> None:
    service = start(sink("a"))
    service.hear(2, LOUD)
    service.reload(SOURCE + sink("a") + '[labels.hiss]\nname = "steam"\n')
    service.hear(2, LOUD)
    service.said(("start", "hiss"), ("end", "hiss"), ("start", "steam"))
    service.reload(SOURCE + sink("a") + "[labels.hiss]\nenabled = false\n")
    service.hear(2, LOUD)
    service.said(("start", "hiss"), ("end", "hiss"), ("start", "steam"), ("end", "steam"))


def test_loud_can_be_switched_on_and_off_and_ends(start: Callable[[str], Running]) -> None:
    off = SOURCE + sink("a") + "[labels.hiss]\nenabled = false\n"
    service = start(off.removeprefix(SOURCE))
    service.reload(off + "[loud]\nenabled = true\n")
    service.hear(2, QUIET)
    service.hear(1, LOUD)
    service.said(("start", "loud"))
    service.reload(off)
    service.hear(0.5, LOUD)
    service.said(("start", "loud"), ("end", "loud"))


def test_a_gate_is_exchanged_between_two_frames(start: Callable[[str], Running]) -> None:
    service = start(sink("a"))
    assert service._status().floor_dbfs is not None
    service.reload(SOURCE + sink("a") + '[gate]\nkind = "open"\n')
    service.hear(1, QUIET)
    assert service._status().floor_dbfs is None
    assert service._status().gate_duty > 0
    assert service.lost_s() == 0


def test_a_threshold_that_a_user_has_set_holds_over_a_reload(start: Callable[[str], Running]) -> None:
    service = start(sink("a"))
    service.service.controls.execute(wire.Command(command="threshold", what="hiss", on=0.97))
    service.reload(SOURCE + sink("a") + "[labels.hiss]\nhold_s = 0.5\n")
    service.hear(3, LOUD)
    assert service.events() == []
    assert service.service.controls.state().thresholds == {"hiss": 0.97}


def test_a_sink_that_has_not_changed_stays_open_and_is_told_who_we_are_now(start: Callable[[str], Running]) -> None:
    service = start(sink("a") + sink("b"))
    kept = service.sinks["a"]
    service.reload(SOURCE + sink("a") + sink("c") + "[groups]\nsteamy = ['hiss']\n[labels.hiss]\non = 0.8\n")
    assert service.sinks["a"] is kept
    assert service.diary == ["open a", "open b", "close b", "open c"]
    assert kept.greetings[-1].thresholds["hiss"] == 0.8
    assert kept.greetings[-1].groups["steamy"] == ["hiss"]
    service.hear(2, LOUD)
    service.said(("start", "hiss"))
    service.said(("start", "hiss"), by="c")


def test_the_greeting_names_the_file_by_its_whole_path(tiny: Bundle) -> None:
    none = configuration.load(None)
    assert hello(none, tiny, "cpu").config == ""
    assert hello(replace(none, path=Path("my.toml")), tiny, "cpu").config == str(Path.cwd() / "my.toml")
    assert wire.encode(hello(replace(none, path=Path("/my\udcff.toml")), tiny, "cpu"))  # bytes that are no text


def test_a_sink_whose_filter_changes_during_an_event_is_told_of_its_end(start: Callable[[str], Running]) -> None:
    service = start(sink("a"))
    service.hear(2, LOUD)
    service.said(("start", "hiss"))
    service.reload(SOURCE + sink("a", "when = { labels = ['hum'] }"))
    service.hear(5, QUIET)
    service.said(("start", "hiss"), ("end", "hiss"))
    service.hear(2, LOUD)
    assert len(service.events()) == 2


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("[gate]\nkind = 'opne'\n", "gate.kind"),
        ("[labels.hiss]\non = 0.2\noff = 0.3\n", "labels.hiss: off (0.3)"),
        ("[labels.hiss]\nname = 'set'\n", "'set' is a topic already"),
        (sink("refusing"), "the port is taken"),
    ],
)
def test_a_bad_configuration_is_refused_with_its_reason_and_the_old_one_stays(
    wrong: str, why: str, start: Callable[[str], Running], caplog: pytest.LogCaptureFixture
) -> None:
    service = start(sink("a"))
    before = service.sinks["a"].greetings[0]
    answer = service.reload(SOURCE + sink("a") + wrong)
    assert answer.startswith("reload refused: ")
    assert why in answer
    assert any(why in record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    assert service.sinks["a"].greetings[-1] == before
    assert "close a" not in service.diary
    service.hear(2, LOUD)
    service.said(("start", "hiss"))


def test_a_sink_that_was_closed_for_one_that_cannot_open_is_opened_again(start: Callable[[str], Running]) -> None:
    service = start(sink("a") + sink("b"))
    assert "the port is taken" in service.reload(SOURCE + sink("a") + sink("refusing"))
    assert service.diary == ["open a", "open b", "close b", "open refusing", "close refusing", "open b"]
    service.hear(2, LOUD)
    service.said(("start", "hiss"))
    service.said(("start", "hiss"), by="b")


@pytest.mark.parametrize("one", ["once", "tokenless"])
def test_where_one_of_the_old_sinks_cannot_be_opened_again_the_others_are(
    one: str, start: Callable[[str], Running]
) -> None:
    service = start(sink(one) + sink("b"))
    assert "the port is taken" in service.reload(SOURCE + sink("refusing"))
    assert service.diary[-2:] == [f"open {one}", "open b"]
    service.hear(2, LOUD)
    service.said(("start", "hiss"), by="b")


def test_what_only_a_restart_changes_is_named(start: Callable[[str], Running]) -> None:
    service = start(sink("a"))
    other = SOURCE.replace("fake", "kitchen") + sink("a") + "[daemon]\nlog_level = 'debug'\n"
    assert service.reload(other) == "reloaded; only a restart changes: source, daemon"
    service.hear(2, LOUD)
    assert {event.source for event in service.sinks["a"].events} == {"fake"}


def test_a_sink_that_waits_for_a_source_of_the_next_start_is_said(
    start: Callable[[str], Running], caplog: pytest.LogCaptureFixture
) -> None:
    service = start(sink("a"))
    service.reload(SOURCE.replace("fake", "attic") + sink("a", "when = { sources = ['attic'] }"))
    assert "when.sources: source 'attic'" in caplog.text


def test_a_reload_by_command_is_answered_with_what_waits_for_a_restart(start: Callable[[str], Running]) -> None:
    service = start(sink("a"))
    service.write(SOURCE + sink("a") + "[labels.hiss]\non = 0.8\n[daemon]\nlog_level = 'debug'\n")
    state = service.service.controls.execute(wire.Command(command="reload"))
    assert state.restart == ["daemon"]
    eventually(lambda: service.sinks["a"].greetings[-1].thresholds["hiss"] == 0.8, "the reload")
    service.write(SOURCE + sink("a") + "[gate]\nkind = 'opne'\n")
    with pytest.raises(ValueError, match=r"gate\.kind"):
        service.service.controls.execute(wire.Command(command="reload"))


def test_a_sink_that_cannot_be_made_is_told_to_whoever_asks_for_the_reload(start: Callable[[str], Running]) -> None:
    service = start(sink("a"))
    service.write(SOURCE + sink("a") + '[[sink]]\nkind = "webhook"\n')
    with pytest.raises(ValueError, match="webhook"):
        service.service.controls.execute(wire.Command(command="reload"))


def test_a_fault_in_a_part_is_no_end_of_the_daemon(start: Callable[[str], Running]) -> None:
    service = start(sink("a"))
    assert "is broken" in service.reload(SOURCE + sink("a") + sink("broken"))
    service.hear(2, LOUD)
    service.said(("start", "hiss"))


def test_systemd_is_told_when_a_reload_begins_and_when_it_is_over(start: Callable[[str], Running]) -> None:
    service = start(sink("a"))
    service.reload(SOURCE + sink("a"))
    begun = service.told.index("RELOADING=1")
    assert service.told[begun + 1].startswith("MONOTONIC_USEC=")
    assert service.told[begun + 2 : begun + 4] == ["READY=1", "STATUS=reloaded"]


@pytest.mark.skipif(MOSQUITTO is None, reason="no mosquitto on this machine (make test installs it)")
def test_home_assistant_is_told_of_new_labels_over_the_same_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from listener.sinks.mqtt.sink import Mqtt, MqttConfig

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "authority").mkdir()
    certificates(tmp_path / "authority")
    broker = Broker(tmp_path / "broker", tmp_path / "authority")
    broker.start()
    hello = Hello(
        version="0", pid=1, model="m", provider="cpu", labels=["hiss"], thresholds={}, groups={}, sources=["s"]
    )
    client = Subscriber(broker, "#")
    mqtt = Mqtt(MqttConfig(**broker.settings()), hello)
    mqtt.open()
    topic = "homeassistant/device/listener--s/config"
    eventually(lambda: client.on(topic), "the first announcement")
    mqtt.on_hello(
        Hello(**{name: getattr(hello, name) for name in hello.__struct_fields__} | {"labels": ["hiss", "hum"]})
    )
    eventually(lambda: b'"hum"' in client.on(topic)[-1], "the announcement of the new label")
    client.gets("listener/s/hum", b"OFF")
    assert b"offline" not in client.on("listener/status")
    mqtt.close()
    client.close()
    broker.kill()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Starts `listener run` without a terminal, on a command that never gives audio; it serves when this returns."""
    processes = []
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    (tmp_path / "listener").mkdir()
    (tmp_path / "listener" / "config.toml").write_text(PROGRAM)

    def start() -> "subprocess.Popen[bytes]":
        command = [*HEEDING_HANGUPS, sys.executable, "-m", "listener", "run"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, start_new_session=True)
        processes.append(process)
        said(process, b"events on unix")
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


PROGRAM = '[[source]]\nkind = "command"\ncommand = ["sleep", "1000"]\nwait = true\n[[sink]]\nkind = "socket"\n'


def said(process: "subprocess.Popen[bytes]", what: bytes) -> bytes:
    """The next line of its log with this in it."""
    assert process.stderr
    return next(line for line in iter(process.stderr.readline, b"") if what in line)


def test_without_a_terminal_sighup_reloads_and_a_connected_client_sees_it(
    program: Callable[[], "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    process = program()
    messages = Client(f"unix:{tmp_path / 'listener.sock'}").receive(["status"])
    first = next(messages)
    next(messages)  # it is subscribed
    (tmp_path / "listener" / "config.toml").write_text(PROGRAM + "[labels.dog_bark]\non = 0.99\n")
    process.send_signal(signal.SIGHUP)
    again = next(message for message in messages if isinstance(message, Hello))
    assert isinstance(first, Hello)
    assert first.thresholds["dog_bark"] < again.thresholds["dog_bark"] == 0.99
    (tmp_path / "listener" / "config.toml").write_text(PROGRAM + "[labels.dog_bark]\non = 9\n")
    process.send_signal(signal.SIGHUP)
    assert b"labels.dog_bark.on: 9 " in said(process, b"reload refused")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == -signal.SIGTERM


def test_a_terminal_that_is_closed_ends_it(tmp_path: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:  # in the new terminal
        os.environ |= {"XDG_RUNTIME_DIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        os.execvp("env", [*HEEDING_HANGUPS, sys.executable, "-m", "listener", "run", "--wait", "--plain"])
    eventually((tmp_path / "listener.sock").exists, "it serves", 30)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGHUP


def test_a_reload_is_answered_after_its_sinks_are_open(start: Callable[[str], Running]) -> None:
    service = start(sink("a"))
    service.write(SOURCE + sink("a") + sink("b"))
    service.service.controls.execute(wire.Command(command="reload"))
    assert service.diary == ["open a", "open b"]


def test_a_reload_whose_sinks_cannot_be_opened_is_refused_to_the_user(start: Callable[[str], Running]) -> None:
    service = start(sink("a"))
    service.write(SOURCE + sink("a") + sink("refusing"))
    with pytest.raises(ValueError, match="the port is taken"):
        service.service.controls.execute(wire.Command(command="reload"))


class Commanding(Sink):
    """A sink that waits, as it closes, for the command of a client: a reload."""

    def set_controls(self, controls: Controls) -> None:
        self._controls = controls

    def open(self) -> None:
        super().open()
        self.answered = threading.Event()

    def command(self) -> None:
        self._controls.execute(wire.Command(command="reload"))
        self.answered.set()

    def close(self) -> None:
        assert self.answered.wait(5)
        super().close()


def test_a_sink_that_is_closed_by_the_reload_it_was_asked_for_is_answered_first(tiny: Bundle, tmp_path: Path) -> None:
    service = Running(tiny, tmp_path, SOURCE + sink("a"), kind=Commanding)
    try:
        commanding = service.sinks["a"]
        assert isinstance(commanding, Commanding)
        service.write(SOURCE + sink("b"))
        asking = threading.Thread(target=commanding.command)
        asking.start()
        eventually(lambda: "close a" in service.diary, "the sink is closed")
        asking.join(5)
        commanding_b = service.sinks["b"]
        assert isinstance(commanding_b, Commanding)
        commanding_b.answered.set()
        assert service.service.daemon.lossless
    finally:
        service.end()


def test_a_reload_after_the_end_is_refused(start: Callable[[str], Running]) -> None:
    service = start(sink("a"))
    service.end()
    with pytest.raises(ValueError, match="stop"):
        service.service.controls.execute(wire.Command(command="reload"))


def test_a_time_zone_that_was_changed_is_followed_by_a_reload(
    start: Callable[[str], Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start(sink("a"))
    monkeypatch.setenv("TZ", "XYZ-5")
    service.reload(SOURCE + sink("a"))
    assert time.localtime().tm_zone == "XYZ"
    monkeypatch.undo()
    time.tzset()


def test_a_substitutes_events_have_its_name_and_reach_local_sinks_alone(tiny: Bundle, tmp_path: Path) -> None:
    microphone = FakeSource([], name="kitchen", live=True, then=SourceError("no input device"))
    barks = pcm(np.concatenate([noise(3, QUIET), noise(1, LOUD, seed=1), noise(3, QUIET)]))
    source = Fallback(microphone, FakeSource(blocks(barks), name="demo"), "playing the demo")
    sinks: dict[str, FakeSink] = {}

    def make(part: Part, _hello: Hello) -> FakeSink:
        return sinks.setdefault(part.kind, FakeSink())

    path = tmp_path / "config.toml"
    path.write_text('[[source]]\nkind = "microphone"\nname = "kitchen"\n' + "[[sink]]\nkind = 'console'\n" + sink("a"))
    config, classifier = configuration.load(path), FakeClassifier(3)
    classifier.provider = "cpu"  # type: ignore[attr-defined]
    service = Service(config, tiny, classifier, [source], make_sink=make, read=lambda: config)  # type: ignore[arg-type]
    service.run()
    assert {(event.source, event.phase) for event in sinks["console"].events} == {("demo", "start"), ("demo", "end")}
    assert sinks["log"].events == []


def test_a_snooze_of_the_microphone_silences_its_substitute(tiny: Bundle) -> None:
    daemon, sink = Daemon(Controls(["hiss"], {}, ["kitchen"])), FakeSink()
    daemon._controls.execute(wire.Command(command="snooze", what="kitchen"))
    microphone = FakeSource([], name="kitchen", then=SourceError("no input device"))
    source = Fallback(microphone, FakeSource(blocks(pcm(noise(3, LOUD))), name="demo"), "playing the demo")
    loop = build_pipeline(configuration.load(None), tiny, FakeClassifier(3), source.name)
    daemon.run([Stream(source, loop, daemon.publish, daemon.ended)], [SinkBinding("sink", sink)])
    assert sink.events == []


WEBHOOK = '[[sink]]\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\ntoken_file = "{token}"\n'


def test_a_changed_token_file_reopens_the_sink(tmp_path: Path, tiny: Bundle) -> None:
    """Only the section is the same."""
    (tmp_path / "token").write_text("the first")
    made: list[Part] = []

    class Secret(FakeSink):
        requirements = Requirements(secrets={"token_file": str(tmp_path / "token")})

    def make(part: Part, _hello: Hello) -> Secret:
        made.append(part)
        return Secret()

    path = tmp_path / "c.toml"
    path.write_text("[daemon]\nsocket = false\n" + WEBHOOK.format(token=tmp_path / "token"))
    config = configuration.load(path)
    classifier = FakeClassifier(3)
    classifier.provider = "cpu"  # type: ignore[attr-defined]
    service = Service(config, tiny, classifier, [], make_sink=make, read=lambda: config)  # type: ignore[arg-type]
    service._sinks = service._configured_sinks(config, service._hello)
    assert len(made) == 1
    (tmp_path / "token").write_text("the second one")
    service._configured_sinks(config, service._hello)
    assert len(made) == 2


def test_two_sinks_that_want_one_thing_are_refused(tmp_path: Path, tiny: Bundle) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[[sink]]\nkind = "mqtt"\n' * 2)
    config = configuration.load(path)
    classifier = FakeClassifier(3)
    classifier.provider = "cpu"  # type: ignore[attr-defined]
    with raises("part-conflict", "base 'listener'"):
        Service(
            config,
            tiny,
            classifier,  # type: ignore[arg-type]
            [],
            make_sink=lambda part, hello: part.factory(part.config, hello),
            read=lambda: config,
        )
