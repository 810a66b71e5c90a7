"""MQTT against a real broker: what is said, that nothing is lost, what is obeyed, and how trouble is told."""

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from listener import messages
from listener.routing.controls import Controls
from listener.sinks.mqtt.sink import Mqtt, MqttConfig
from listener.sinks.mqtt.state import MqttState
from listener.sinks.mqtt.topics import Topics
from tests.broker import MOSQUITTO, Broker, Client, in_order_once
from tests.raising import raises
from tests.sinks.messages import HELLO, event, status
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="no mosquitto on this machine (make test installs it)")

EVENTS = "listener/kitchen/event"
QUICK = (0.02, 0.1)

Make = Callable[..., Mqtt]


@pytest.fixture
def make(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes an open sink of the broker's, with controls."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    sinks: list[Mqtt] = []

    def made(hello: messages.Hello = HELLO, **changes: Any) -> Mqtt:
        sink = Mqtt(MqttConfig(**broker.settings(**changes)), hello, backoff_s=QUICK)
        sink.set_controls(Controls(hello.labels, hello.groups, hello.sources))
        sink.open()
        sinks.append(sink)
        return sink

    yield made
    broker.thaw()
    for sink in sinks:
        sink.close()


@pytest.fixture
def client(broker: Broker) -> Iterator[Client]:
    """A client that gets everything."""
    client = Client(broker, "#")
    yield client
    client.close()


def changed(**changes: Any) -> messages.Hello:
    fields = {name: getattr(HELLO, name) for name in HELLO.__struct_fields__}
    return messages.Hello(**fields | changes)


def arrived(client: Client) -> list[tuple[str, int]]:
    return in_order_once(client.on(EVENTS))


def phases(number: int) -> list[messages.Event]:
    """The three lines of an event."""
    return [event(number, seq=seq, phase=phase) for seq, phase in enumerate(("start", "update", "end"))]


def test_an_event_is_told_line_by_line_once_as_detected_and_as_on_and_off(make: Make, client: Client) -> None:
    sink = make()
    client.gets("listener/kitchen/dog_bark", b"OFF")
    for line in phases(1):
        sink.emit(line)
    eventually(lambda: len(client.on("listener/kitchen/dog_bark")) == 3, "ON and OFF")
    assert [messages.decode(line) for line in client.on(EVENTS)] == phases(1)
    [detected] = client.on("listener/kitchen/detected")
    assert json.loads(detected)["event_type"] == "dog_bark"
    assert json.loads(detected)["score"] == 0.93
    assert client.on("listener/kitchen/dog_bark") == [b"OFF", b"ON", b"OFF"]


def test_who_comes_later_finds_what_is_retained_and_no_event(make: Make, client: Client, broker: Broker) -> None:
    sink = make()
    sink.emit(event())
    sink.on_status(status())
    client.gets("listener/kitchen/dog_bark", b"ON")
    client.gets("listener/kitchen/availability", b"online")
    late = Client(broker, "listener/#", name="late")
    eventually(lambda: late.on("listener/kitchen/state"), "the state")
    assert late.on("listener/status") == [b"online"]
    assert late.on("listener/kitchen/dog_bark") == [b"ON"]
    assert late.on("listener/kitchen/siren") == [b"OFF"]
    assert not late.on(EVENTS)
    assert not late.on("listener/kitchen/detected")
    late.close()


def test_trouble_is_told_at_once_though_the_microphone_is_heard(make: Make, client: Client) -> None:
    sink = make()
    told = []
    for trouble in ("", "only digital silence for 10 s", ""):
        told.append(trouble)
        sink.on_status(status(trouble=trouble))
        eventually(lambda: len(client.on("listener/kitchen/status")) == len(told), "the status")
    assert [json.loads(said)["trouble"] for said in client.on("listener/kitchen/status")] == told
    assert client.on("listener/kitchen/availability")[-1] == b"online"


def test_a_status_is_sent_when_it_changes_and_the_level_each_time(make: Make, client: Client) -> None:
    sink = make()
    for state in ("listening", "listening", "recovering"):
        sink.on_status(status(state=state, level_dbfs=-30.0))
        eventually(lambda: len(client.on("listener/kitchen/level")) > 0, "a level")
    client.gets("listener/kitchen/availability", b"offline")
    eventually(lambda: len(client.on("listener/kitchen/status")) == 2, "two statuses")
    assert json.loads(client.on("listener/kitchen/status")[-1])["state"] == "recovering"
    assert json.loads(client.on("listener/kitchen/level")[-1]) == {
        "level_dbfs": -30.0,
        "peak_dbfs": -100.0,
        "floor_dbfs": None,
    }


def test_a_status_that_says_nothing_new_waits_half_a_minute() -> None:
    now = 0.0
    news = MqttState(Topics("listener", ["kitchen"], []), with_level=False, clock=lambda: now)
    said = []
    for now in (0.0, 1.0, 29.0, 31.0, 32.0):
        said.append(news.note_status(status(heard_s=now)))
    assert said == [True, False, False, True, False]
    assert json.loads(news.retained_state()["listener/kitchen/status"])["heard_s"] == 31.0


def test_the_level_can_be_left_out(make: Make, client: Client) -> None:
    sink = make(level=False)
    sink.on_status(status())
    client.gets("listener/kitchen/availability", b"online")
    assert not client.on("listener/kitchen/level")


def test_closing_sends_what_waits_and_says_good_bye(make: Make, client: Client) -> None:
    sink = make()
    client.gets("listener/status", b"online")
    for number in range(30):
        sink.emit(event(number))
    sink.close()
    client.gets("listener/status", b"offline")
    assert arrived(client) == [(f"e{number}", 0) for number in range(30)]


PROCESS = """
import sys, time
from listener.sinks.mqtt.sink import Mqtt, MqttConfig
from listener.sinks.mqtt.state import MqttState
from listener.sinks.mqtt.topics import Topics
from tests.sinks.messages import HELLO, event
sink = Mqtt(MqttConfig(**eval(sys.argv[1])), HELLO)
sink.open()
for number in range(int(sys.argv[2])):
    sink.emit(event(number))
print("ready", flush=True)
time.sleep(60)
"""


def killed(settings: dict[str, Any], events: int, ready: Callable[[], object]) -> None:
    """A daemon with lines, killed as by the kernel once `ready` holds."""
    command = [sys.executable, "-c", PROCESS, repr(settings), str(events)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        eventually(ready, "the process has come so far")
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.usefixtures("make")
def test_the_last_will_says_that_a_killed_daemon_is_gone(client: Client, broker: Broker) -> None:
    killed(broker.settings(), 0, lambda: client.on("listener/status") == [b"online"])
    client.gets("listener/status", b"offline")


def test_a_broker_that_comes_and_goes_gets_all_events_in_order(make: Make, client: Client, broker: Broker) -> None:
    sink = make()
    for number in range(200):
        sink.emit(event(number, phase="end"))
        if number % 40 == 20:
            broker.stop()
        if number % 40 == 39:
            broker.start()
    eventually(lambda: len(arrived(client)) == 200, "all events")
    assert arrived(client) == [(f"e{number}", 0) for number in range(200)]


def test_a_broker_that_is_killed_gets_every_event(make: Make, client: Client, broker: Broker) -> None:
    broker.stop()  # it writes down that there is a subscriber
    broker.start()
    sink = make()
    for number in range(200):
        sink.emit(event(number, phase="end"))
        if number in (50, 150):
            broker.kill()
            broker.start()
    eventually(lambda: len(set(arrived(client))) == 200, "all events")


def test_lines_that_wait_when_the_daemon_dies_are_sent_by_the_next(make: Make, client: Client, broker: Broker) -> None:
    broker.stop()
    killed(broker.settings(), 50, lambda: True)
    broker.start()
    sink = make()
    sink.emit(event(50))
    eventually(lambda: len(arrived(client)) == 51, "all events")
    assert arrived(client) == [(f"e{number}", 0) for number in range(51)]


def test_a_label_is_off_when_the_daemon_died_during_its_event(make: Make, client: Client, broker: Broker) -> None:
    killed(broker.settings(), 1, lambda: client.on("listener/kitchen/dog_bark")[-1:] == [b"ON"])
    make()
    client.gets("listener/kitchen/dog_bark", b"OFF")


def test_a_broker_that_has_forgotten_everything_is_told_again(make: Make, client: Client, broker: Broker) -> None:
    sink = make()
    sink.emit(event())
    client.gets("listener/kitchen/dog_bark", b"ON")
    broker.kill()
    (broker.folder / "mosquitto.db").unlink(missing_ok=True)
    broker.start()
    late = Client(broker, "listener/#", name="late")
    late.gets("listener/kitchen/dog_bark", b"ON")
    late.gets("listener/status", b"online")
    late.close()


def test_a_frozen_broker_holds_nobody_up(make: Make, client: Client, broker: Broker) -> None:
    sink = make()
    client.gets("listener/status", b"online")
    broker.freeze()
    slowest_s = 0.0
    for number in range(300):
        began = time.monotonic()
        sink.emit(event(number, phase="end"))
        sink.on_status(status())
        slowest_s = max(slowest_s, time.monotonic() - began)
    broker.thaw()
    eventually(lambda: len(arrived(client)) == 300, "all events")
    assert slowest_s < 1.0  # a network's time would be many seconds


def of_ours(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """What the sink said on a level, but for what the test's hello has no group for."""
    records = [
        record for record in caplog.records if record.levelno == level and record.name == "listener.sinks.mqtt.sink"
    ]
    return [line for line in (record.getMessage() for record in records) if "discovery_labels" not in line]


def test_closing_waits_for_no_frozen_broker_and_what_is_left_is_sent_by_the_next(
    make: Make, client: Client, broker: Broker
) -> None:
    sink = make()
    client.gets("listener/status", b"online")
    broker.freeze()
    for number in range(100):
        sink.emit(event(number, phase="end"))
    began = time.monotonic()
    sink.close()
    assert time.monotonic() - began < 5.0  # a second, on a machine that has time
    broker.thaw()
    make()
    eventually(lambda: len(arrived(client)) == 100, "all events")
    assert arrived(client) == [(f"e{number}", 0) for number in range(100)]


def test_what_waits_behind_a_connection_that_hangs_is_there_for_the_sink_that_follows(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # it lets in, and says nothing
        before = make(host="127.0.0.1", port=mute.getsockname()[1])
        before.emit(event(phase="end"))
        before.close()
        assert make(host="127.0.0.1", port=mute.getsockname()[1], level=False).waiting == 1


def test_an_outage_is_two_lines_in_the_log(
    make: Make, client: Client, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sink = make()
    client.gets("listener/status", b"online")
    caplog.clear()
    broker.stop()
    eventually(lambda: len(of_ours(caplog, logging.DEBUG)) > 3, "attempts that the log does not tell of")
    sink.emit(event())
    broker.start()
    eventually(lambda: client.on(EVENTS), "the event")
    [lost], [back] = of_ours(caplog, logging.WARNING), of_ours(caplog, logging.INFO)
    assert "the connection is lost; events wait on disk" in lost
    assert "connected; 1 lines" in back


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"host": "no-such-host.invalid"}, "no-such-host"),
        ({"port": 1}, "Start the broker"),
        ({"password_file": "{folder}/wrong"}, "password_file"),
        ({"password_file": "{folder}/missing"}, "password_file.*missing"),
        ({"user": "", "password_file": ""}, "user and password_file"),
        ({"ca_file": ""}, "certificate .*ca_file"),
        ({"host": "127.0.0.1"}, "certificate .*127.0.0.1"),
        ({"ca_file": "{folder}/missing"}, "missing .*ca_file"),
        ({"ca_file": "{folder}/wrong"}, "PEM.*ca_file"),
        ({"tls": False, "ca_file": ""}, "set tls = true"),
        ({"port": "plain"}, "TLS"),
        ({"port": "strict"}, "cert_file"),
    ],
)
def test_what_is_wrong_is_said_once_with_the_remedy(
    changes: dict[str, Any], remedy: str, make: Make, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (broker.folder / "wrong").write_text("wrong\n")
    known = {"port": {"plain": broker.plain_port, "strict": broker.strict_port}}
    filled = {
        key: value.format(folder=broker.folder) if isinstance(value, str) else value for key, value in changes.items()
    }
    make(**{key: known.get(key, {}).get(value, value) for key, value in filled.items()})
    eventually(lambda: len(of_ours(caplog, logging.DEBUG)) > 2, "some attempts")
    [warning] = of_ours(caplog, logging.WARNING)
    assert re.search(remedy, warning), warning


def test_a_certificate_of_ours_is_shown(make: Make, client: Client, broker: Broker, authority: Path) -> None:
    files = {"cert_file": str(authority / "ours.pem"), "key_file": str(authority / "ours.key")}
    make(port=broker.strict_port, **files)
    client.gets("listener/status", b"online")


def test_what_is_insecure_is_said_to_be(make: Make, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    make(host="127.0.0.1", ca_file="", insecure=True)
    client.gets("listener/status", b"online")
    assert "insecure" in caplog.text


def test_a_password_that_was_mended_counts_without_a_restart(make: Make, client: Client, broker: Broker) -> None:
    mended = broker.folder / "mended"
    sink = make(password_file=str(mended))
    sink.emit(event())
    mended.write_bytes(broker.password_file.read_bytes())
    eventually(lambda: client.on(EVENTS), "the event")


def test_a_bare_name_is_a_credential_of_systemd(
    make: Make, client: Client, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(broker.folder))
    make(password_file="password", ca_file=str(broker.ca_file))
    client.gets("listener/status", b"online")


ORDERS = [
    (b"ON", {"muted": True}),
    (b'{"command":"mute"}', {"muted": True}),
    (b'{"command":"mute","for_s":60}', {"muted": True}),
    (b'{"command":"snooze","what":"siren","for_s":60}', {"muted": False}),
    (b'{"command":"listen","labels":["siren"]}', {"labels": ["siren"]}),
    (b'{"command":"threshold","what":"siren","on":0.6}', {"thresholds": {"siren": 0.6}}),
    (b'{"command":"state"}', {"muted": False, "snoozed": {}, "labels": None, "thresholds": {}}),
]


@pytest.mark.parametrize(("order", "state"), ORDERS)
def test_a_command_is_answered_with_the_state(order: bytes, state: dict[str, Any], make: Make, client: Client) -> None:
    make()
    eventually(lambda: client.on("listener/kitchen/state"), "the state at first")
    client.publish("listener/kitchen/set", order)
    eventually(lambda: len(client.on("listener/kitchen/state")) == 2, "the answer")
    assert state.items() <= json.loads(client.on("listener/kitchen/state")[-1]).items()
    assert not client.on("listener/kitchen/error")


def test_what_was_changed_is_taken_back(make: Make, client: Client) -> None:
    make()
    eventually(lambda: client.on("listener/kitchen/state"), "the state at first")
    first = client.on("listener/kitchen/state")[0]
    pairs = [
        (b"ON", b"OFF"),
        (b'{"command":"mute"}', b'{"command":"unmute"}'),
        (b'{"command":"snooze","what":"kitchen"}', b'{"command":"wake","what":"kitchen"}'),
        (b'{"command":"mute","what":"siren"}', b'{"command":"unmute","what":"siren"}'),
        (b'{"command":"listen","labels":[]}', b'{"command":"listen","labels":null}'),
        (b'{"command":"threshold","what":"rain","on":0.9}', b'{"command":"threshold","what":"rain","on":null}'),
    ]
    for number, order in enumerate([order for pair in pairs for order in pair], 2):
        client.publish("listener/kitchen/set", order)
        eventually(lambda number=number: len(client.on("listener/kitchen/state")) == number, f"the answer to {order!r}")
        assert (client.on("listener/kitchen/state")[-1] == first) == (number % 2 == 1), order


GARBAGE = [
    b"on",
    b"null",
    b"[1]",
    b"{",
    b"\xff\xfe",
    b"[" * 50_000,
    b'{"command":"state","labels":' + b"[" * 900 + b"]" * 900 + b"}",
    b"x" * 70_000,
    b'{"command":"explode"}',
    b'{"command":["mute"]}',
    b'{"command":"snooze","what":"unicorn"}',
    b'{"command":"mute","for_s":NaN}',
    b'{"command":"mute","for_s":-1}',
    b'{"command":"snooze"}',
    b'{"command":"snooze","for_s":60}',
    b'{"command":"wake"}',
    b'{"command":"threshold","on":0.5}',
    b'{"command":"threshold","what":"siren","on":7}',
    b'{"command":"mute","unknown":1}',
]


def test_garbage_is_answered_with_one_sentence_and_harms_nothing(
    make: Make, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    sink = make()
    eventually(lambda: client.on("listener/kitchen/state"), "the state at first")
    for number, garbage in enumerate(GARBAGE, 1):
        client.publish("listener/kitchen/set", garbage)
        eventually(
            lambda number=number: len(client.on("listener/kitchen/error")) == number, f"an answer to {garbage[:40]!r}"
        )
    assert all(len(answer) < 500 and b"\n" not in answer for answer in client.on("listener/kitchen/error"))
    assert len([line for line in caplog.messages if "command for kitchen" in line]) == 1
    assert not json.loads(client.on("listener/kitchen/state")[-1])["muted"]
    sink.emit(event())
    eventually(lambda: client.on(EVENTS), "the event")


def test_a_retained_command_is_not_obeyed_again_and_again(make: Make, client: Client) -> None:
    client.publish("listener/kitchen/set", b"ON", retain=True)
    make()
    eventually(lambda: client.on("listener/kitchen/error"), "an answer")
    assert b"without retain" in client.on("listener/kitchen/error")[0]
    assert not json.loads(client.on("listener/kitchen/state")[-1])["muted"]


def test_the_switch_stays_on_while_everything_is_snoozed_and_says_why(make: Make, client: Client) -> None:
    make()
    eventually(lambda: client.on("listener/kitchen/state"), "the state at first")
    client.publish("listener/kitchen/set", b'{"command":"snooze","what":"all"}')
    eventually(lambda: b'"muted":true' in b"".join(client.on("listener/kitchen/state")), "it is muted")
    client.publish("listener/kitchen/set", b"OFF")
    eventually(lambda: client.on("listener/kitchen/error"), "an answer")
    assert b"wake 'all'" in client.on("listener/kitchen/error")[0]


ALARMS = {"labels": ["smoke_alarm", "rain"], "groups": {"alarm": ["smoke_alarm"]}}
CONFIG = "homeassistant/device/listener--kitchen/config"


def components(client: Client, number: int = -1) -> set[str]:
    return set(json.loads(client.on(CONFIG)[number])["components"])


def test_home_assistant_is_told_at_once_and_when_it_comes_back(make: Make, client: Client) -> None:
    make(changed(**ALARMS))
    eventually(lambda: client.on(CONFIG), "the microphone")
    topics = [topic for topic, *_ in client.messages if topic.startswith("homeassistant")]
    assert topics == ["homeassistant/device/listener/config", CONFIG]
    assert "label_smoke_alarm" in components(client)
    client.publish("homeassistant/status", b"online")
    eventually(lambda: len(client.on(CONFIG)) == 2, "again")


def test_what_is_no_more_is_taken_back_after_a_restart(make: Make, client: Client) -> None:
    make(changed(**ALARMS, sources=["kitchen", "attic"]), discovery_labels=("alarm", "rain")).close()
    eventually(lambda: client.on(CONFIG), "the microphone")
    make(changed(**ALARMS))
    eventually(lambda: len(client.on(CONFIG)) == 3, "all is told")
    assert json.loads(client.on(CONFIG)[1])["components"]["label_rain"] == {"platform": "binary_sensor"}
    assert "label_rain" not in components(client)
    assert client.on("homeassistant/device/listener--attic/config")[-1] == b""


@pytest.mark.parametrize("discovery", [True, False])
def test_what_the_broker_keeps_of_a_source_or_label_that_is_no_more_is_taken_back(
    discovery: bool, make: Make, client: Client, broker: Broker
) -> None:
    old = make(changed(**ALARMS, sources=["kitchen", "attic"]), discovery=discovery)
    for topic in ("attic/state", "attic/rain", "kitchen/rain"):
        eventually(lambda topic=topic: client.on(f"listener/{topic}"), topic)
    old.close()
    make(changed(labels=["smoke_alarm"], groups={"alarm": ["smoke_alarm"]}), discovery=discovery)
    client.gets("listener/attic/state", b"")
    client.gets("listener/kitchen/rain", b"")
    late = Client(broker, "listener/#", name="late")
    late.gets("listener/kitchen/smoke_alarm", b"OFF")
    assert [topic for topic, *_ in late.messages if "attic" in topic or "rain" in topic] == []
    late.close()


def test_a_label_that_comes_back_is_told_again(make: Make, client: Client) -> None:
    sink = make(changed(**ALARMS))
    client.gets("listener/kitchen/rain", b"OFF")
    sink.on_hello(changed(labels=["smoke_alarm"], groups={"alarm": ["smoke_alarm"]}))
    client.gets("listener/kitchen/rain", b"")
    sink.on_hello(changed(**ALARMS))
    eventually(lambda: client.on("listener/kitchen/rain") == [b"OFF", b"", b"OFF"], "it is told again")


def test_discovery_that_is_switched_off_is_taken_back(make: Make, client: Client) -> None:
    make(changed(**ALARMS)).close()
    make(changed(**ALARMS), discovery=False)
    client.gets(CONFIG, b"")


def test_another_prefix_moves_what_was_announced(make: Make, client: Client) -> None:
    make(changed(**ALARMS)).close()
    make(changed(**ALARMS), discovery_prefix="ha")
    eventually(lambda: client.on("ha/device/listener--kitchen/config"), "the microphone")
    assert client.on(CONFIG)[-1] == b""


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ca_file": "ca.pem"}, "mqtt-settings"),
        ({"tls": True, "key_file": "key"}, "mqtt-settings"),
        ({"password_file": "password"}, "mqtt-settings"),
        ({"base": "a b"}, "mqtt-topic"),
        ({"base": "a//b"}, "mqtt-topic"),
        ({"base": ""}, "mqtt-topic"),
        ({"base": "#"}, "mqtt-topic"),
        ({"discovery_prefix": "a/+"}, "mqtt-topic"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(changes: dict[str, Any], code: str) -> None:
    with raises(code):
        Mqtt(MqttConfig(**changes), HELLO)


def test_without_paho_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['paho'] = None\n"
        "from listener.base import registry\n"
        "from tests.sinks.messages import HELLO\n"
        "sink = registry.sink('mqtt'); sink(sink.Config(), HELLO)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'listener[mqtt]'" in done.stderr


def test_two_clients_of_one_name_are_said_to_be(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Each throws the other out of the broker, again and again."""
    for base in ("one", "two"):
        make(client_id="same", base=base)
    eventually(lambda: "client_id?" in caplog.text, "it is said")


def test_a_spool_that_cannot_be_is_an_error_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").touch()
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    with raises("spool-unwritable"):
        Mqtt(MqttConfig(), HELLO).open()
