"""A real MQTT broker on loopback, with TLS and a password, to be stopped, killed and frozen; and a client of it.

`python -m tests.broker` measures the sink against it: the delay of events, and what twenty restarts do to 2000 of them.
"""

import json
import logging
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from listener.sinks.mqtt.sink import Mqtt, MqttConfig
from tests.sinks.messages import HELLO, event
from tests.waiting import eventually

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
USER, PASSWORD = "listener", "cane corso"


def certificates(folder: Path) -> None:
    """An authority, `ca.pem`, and what it says of localhost, `server.pem`, and of us, `ours.pem`, with their keys."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl(folder, "req", "-x509", *key, "-days", "2", "-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.pem")
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
    for name in ("server", "ours"):
        asked = ["-subj", "/CN=localhost", "-keyout", f"{name}.key", "-out", "request"]
        _openssl(folder, "req", *key, *asked)
        _openssl(folder, "x509", "-req", "-in", "request", *signed, "-out", f"{name}.pem")


class Broker:
    """mosquitto in a folder of its own; what it holds outlives its restarts.

    It listens at `port` with TLS, at `plain_port` without, and at `strict_port` for those with a certificate of theirs.
    """

    def __init__(self, folder: Path, certificates: Path) -> None:
        self.folder, self.ca_file = folder, certificates / "ca.pem"
        self.port, self.plain_port, self.strict_port = free_ports(3)
        self.password_file = folder / "password"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        self.password_file.write_text(f"{PASSWORD}\n")
        (folder / "users").write_text(f"{USER}:{PASSWORD}\n")
        subprocess.run(["mosquitto_passwd", "-U", str(folder / "users")], check=True, capture_output=True)
        (folder / "conf").write_text(self._config(certificates))

    def start(self) -> None:
        """Returns when it answers."""
        command = [str(MOSQUITTO), "-c", str(self.folder / "conf")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(lambda: _answers(self.port), f"mosquitto answers; see {self.folder / 'log'}")

    def stop(self) -> None:
        """End it in order: it writes down what it holds."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It holds its connections and does nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def settings(self, **changes: Any) -> dict[str, Any]:
        """What a sink needs to be configured with."""
        plain: dict[str, Any] = {
            "host": "localhost",
            "port": self.port,
            "tls": True,
            "ca_file": str(self.ca_file),
            "user": USER,
            "password_file": str(self.password_file),
        }
        return plain | changes

    def _config(self, certificates: Path) -> str:
        encrypted = [
            f"cafile {certificates / 'ca.pem'}",
            f"certfile {certificates / 'server.pem'}",
            f"keyfile {certificates / 'server.key'}",
        ]
        return "\n".join(
            [
                f"user {'root' if os.getuid() == 0 else 'nobody'}",  # only root may, and would be made another
                "persistence true",
                f"persistence_location {self.folder}/",
                "max_queued_messages 0",  # what a slow subscriber has not got yet is kept
                "allow_anonymous false",
                f"password_file {self.folder / 'users'}",
                f"listener {self.port} 127.0.0.1",
                *encrypted,
                f"listener {self.plain_port} 127.0.0.1",
                f"listener {self.strict_port} 127.0.0.1",
                *encrypted,
                "require_certificate true",
                "",
            ]
        )

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is not None:
            eventually(lambda: _ends(process, number), "mosquitto ends")

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)


class Client:
    """A subscriber and publisher as anybody could write one. The broker keeps for it what comes while it is away."""

    def __init__(self, broker: Broker, *topics: str, name: str = "client") -> None:
        self.messages: list[tuple[str, bytes, bool, float]] = []  # topic, payload, retained, when
        self._topics = topics
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        self._client.username_pw_set(USER, PASSWORD)
        self._client.tls_set_context(ssl.create_default_context(cafile=str(broker.ca_file)))
        self._client.reconnect_delay_set(0.02, 0.1)  # type: ignore[arg-type]
        self._client.on_connect = lambda *_: [self._client.subscribe(topic, 1) for topic in topics] and None
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        eventually(lambda: self._connects(broker.port), "the broker lets us in")
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def _connects(self, port: int) -> bool:
        """A broker that has just begun may break off the first connection."""
        try:
            self._client.connect("localhost", port)
        except OSError:
            return False
        return True

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        self.messages.append((message.topic, bytes(message.payload), message.retain, time.monotonic()))

    def on(self, topic: str) -> list[bytes]:
        """The payloads that came on a topic so far."""
        return [payload for found, payload, _, _ in list(self.messages) if found == topic]

    def gets(self, topic: str, payload: bytes, within_s: float = 15.0) -> None:
        """Wait until the last that came on a topic is this."""
        eventually(lambda: self.on(topic)[-1:] == [payload], f"{payload!r} on {topic}: {self.on(topic)[-3:]}", within_s)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, 1, retain).wait_for_publish(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def in_order_once(lines: list[bytes]) -> list[tuple[str, int]]:
    """The (id, seq) of event lines as a receiver has them who leaves out what it has had."""
    return list(dict.fromkeys((said["id"], said["seq"]) for said in map(json.loads, lines)))


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def free_port() -> int:
    (port,) = free_ports(1)
    return port


def free_ports(count: int) -> list[int]:
    """Different ones: all are held until the last was given."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _ends(process: "subprocess.Popen[bytes]", number: int) -> bool:
    """Whether it ends within a second of a signal. It misses one that comes before its loop begins."""
    process.send_signal(number)
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        return False
    return True


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _delay(broker: Broker) -> str:
    """From `emit` to the subscriber, an event each 20 ms, and with 100 in a burst each second."""
    sink, client = Mqtt(MqttConfig(**broker.settings()), HELLO), Client(broker, "listener/kitchen/event")
    sink.open()
    began = {}
    for number in range(500):
        began[f"e{number}"] = time.monotonic()
        sink.emit(event(number, phase="end"))
        time.sleep(0.01)
    eventually(lambda: len(client.messages) >= 500, "all come")
    delays = sorted(1000 * (at - began[json.loads(line)["id"]]) for _, line, _, at in client.messages)
    sink.close()
    client.close()
    return (
        f"delay of 500 events, 100 a second: median {delays[250]:.1f} ms, p95 {delays[475]:.1f}, max {delays[-1]:.1f}"
    )


def _kills(broker: Broker) -> str:
    """The same as restarts, but it is ended as a power cut would: what it had taken may be gone with it."""
    return "killed: " + _restarts(broker, killed=True)


def _restarts(broker: Broker, *, events: int = 2000, restarts: int = 20, killed: bool = False) -> str:
    """Events at 100 a second while the broker is stopped and started."""
    sink, client = Mqtt(MqttConfig(**broker.settings()), HELLO), Client(broker, "listener/kitchen/event")
    sink.open()
    slowest_s = 0.0

    def emit() -> None:
        nonlocal slowest_s
        for number in range(events):
            began = time.monotonic()
            sink.emit(event(number, phase="end"))
            slowest_s = max(slowest_s, time.monotonic() - began)
            time.sleep(0.01)

    emitting = threading.Thread(target=emit)
    emitting.start()
    for _ in range(restarts):
        time.sleep(events * 0.01 / restarts * 0.7)
        (broker.kill if killed else broker.stop)()
        time.sleep(events * 0.01 / restarts * 0.3)
        broker.start()
    emitting.join()
    wanted = [(f"e{number}", 0) for number in range(events)]
    began = time.monotonic()
    eventually(lambda: len(in_order_once(client.on("listener/kitchen/event"))) >= events, "all come", 60)
    got = client.on("listener/kitchen/event")
    sink.close()
    client.close()
    return (
        f"{restarts} restarts, {events} events: in order and once after leaving out twins: "
        f"{in_order_once(got) == wanted}; {len(got) - events} twins; the last came {time.monotonic() - began:.1f} s "
        f"after the last was emitted; emit took at most {1000 * slowest_s:.0f} ms"
    )


def main() -> None:
    """Measure, and print."""
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(message)s")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        certificates(folder)
        for number, measure in enumerate((_delay, _restarts, _kills)):
            os.environ["STATE_DIRECTORY"] = str(folder / f"state{number}")
            broker = Broker(folder / f"broker{number}", folder)
            broker.start()
            sys.stdout.write(measure(broker) + "\n")
            sys.stdout.flush()
            broker.stop()


if __name__ == "__main__":
    main()
