"""Events, levels and status over MQTT, with Home Assistant's discovery, and commands in the other direction."""

import logging
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated

from listener import messages
from listener.base import paths
from listener.base.addresses import check_host
from listener.base.backoff import Backoff
from listener.base.incidents import IncidentLog
from listener.base.requirements import Requirements
from listener.base.schema import Meta, suggestion
from listener.base.waker import Waker
from listener.errors import ConfigError, SinkError
from listener.routing.controls import Controls
from listener.routing.sink import BaseSink, SinkConfig
from listener.sinks.mqtt import homeassistant
from listener.sinks.mqtt.retained import DiscoveryStore
from listener.sinks.mqtt.state import MqttState
from listener.sinks.mqtt.topics import OFFLINE, Topics, checked, identifier
from listener.storage.spool import Spool, open_spool, spool_name

if TYPE_CHECKING:
    from listener.sinks.mqtt.connection import Broker, Connection
    from listener.sinks.mqtt.session import Announcer

log = logging.getLogger(__name__)

BACKOFF_S = (0.5, 10.0)  # the first and the longest pause before the next attempt
STABLE_S = 2.0  # after a connection that lasted longer, the next problem is a new incident
SHORT_CONNECTIONS = 5  # in a row, before they are reported
LINGER_S = 1.0
PORT, TLS_PORT = 1883, 8883


class MqttConfig(SinkConfig, frozen=True):
    """MQTT."""

    host: Annotated[str, Meta(min_length=1, description="the broker")] = "localhost"
    port: Annotated[int, Meta(ge=0, le=65535, description="0: 8883 with TLS, 1883 without")] = 0
    tls: Annotated[bool, Meta(description="true: encrypt, and check the broker's certificate")] = False
    ca_file: Annotated[str, Meta(description="PEM file of the authority of that certificate; empty: the system's")] = ""
    insecure: Annotated[
        bool, Meta(description="true: do not check the certificate; others may then read the messages")
    ] = False
    cert_file: Annotated[str, Meta(description="PEM file of a client certificate, if the broker wants one")] = ""
    key_file: Annotated[str, Meta(description="its key; empty: in the same file")] = ""
    user: Annotated[str, Meta(description="empty: none")] = ""
    password_file: Annotated[
        str, Meta(description="file with the password and nothing else; or the name of a systemd credential")
    ] = ""
    client_id: Annotated[
        str, Meta(description="unique among the clients of the broker; empty: from host name and base")
    ] = ""
    base: Annotated[str, Meta(description="the beginning of all topics; unique among the daemons at the broker")] = (
        "listener"
    )
    level: Annotated[bool, Meta(description="true: publish the level of each source once a second")] = True
    discovery: Annotated[bool, Meta(description="true: announce the daemon to Home Assistant")] = True
    discovery_prefix: Annotated[str, Meta(min_length=1, description="as set in Home Assistant")] = "homeassistant"
    discovery_labels: Annotated[
        tuple[str, ...], Meta(description="labels and groups that become binary sensors, besides the event")
    ] = ("alarm",)


class Mqtt(BaseSink):
    """Events, levels and status over MQTT, and commands from there. What cannot be sent waits on disk.

    Raises:
        ConfigError: The settings contradict each other, a topic is not valid, or paho is missing.
    """

    Config = MqttConfig
    needs_ends = True  # a label is ON until its event ends

    def __init__(
        self, config: MqttConfig, hello: messages.Hello, *, backoff_s: tuple[float, float] = BACKOFF_S
    ) -> None:
        _check(config)
        self._config, self._hello, self._backoff = config, hello, Backoff(*backoff_s)
        self._topics = Topics(config.base, hello.sources, hello.labels)
        checked(config.discovery_prefix, "discovery_prefix")
        self._broker = _broker(config)
        self._state = MqttState(self._topics, with_level=config.level)
        self._incidents = IncidentLog("", log)
        self._short_connections = 0  # in a row
        self._was_connected = False
        self._controls: Controls | None = None
        self._closing = threading.Event()
        self._lock = threading.Lock()  # an event is noted and spooled at once
        self._waker: Waker | None = None
        self._thread: threading.Thread | None = None
        self._spool: Spool | None = None

    @property
    def requirements(self) -> Requirements:
        config, broker = self._config, self._broker
        secrets = {key: getattr(config, key) for key in ("password_file", "ca_file", "cert_file", "key_file")}
        return Requirements(
            secrets={key: name for key, name in secrets.items() if name},
            folders=(paths.state_folder(),),
            exclusive=(f"client_id {broker.client_id!r} at {broker}", f"base {config.base!r} at {broker}"),
            labels={"discovery_labels": config.discovery_labels if config.discovery else ()},
        )

    def probe(self) -> str:
        from listener.sinks.mqtt.connection import reach

        return reach(self._broker)

    def set_controls(self, controls: Controls) -> None:
        self._controls = controls
        self._state.follow(controls)
        controls.watch(self._on_state)

    def on_hello(self, hello: messages.Hello) -> None:
        """Publish other labels, also to Home Assistant. The connection stays."""
        topics = Topics(self._config.base, hello.sources, hello.labels)
        self._hello, self._topics = hello, topics
        self._state.set_topics(topics)
        if self._thread is not None:
            self._labels = self._discovery_labels()
            self._wake()

    def open(self) -> None:
        from listener.sinks.mqtt.session import Commands

        if self._thread is not None:
            return
        with ExitStack() as resources:
            self._spool = spool = open_spool(paths.state_folder(), self._file_name, resources)
            self._waker, self._commands = Waker(), Commands(self._controls)
            resources.callback(self._waker.close)
            if self._broker.insecure:
                log.warning("%s: insecure = true: others may read the messages. Set ca_file instead.", self._broker)
            self._labels = self._discovery_labels()
            held = resources.pop_all()
        self._closing.clear()
        log.info("%s: connecting", self._broker)
        self._thread = threading.Thread(target=self._run, args=(spool, held), name="mqtt", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Event lines that wait on disk."""
        return len(self._spool) if self._spool is not None else 0

    @property
    def lost(self) -> int:
        """Event lines that waited too long or were too many."""
        return self._spool.dropped if self._spool is not None else 0

    def emit(self, event: messages.Event) -> None:
        """Write an event line to disk, from where it is sent."""
        spool = self._spool
        if self._thread is None or spool is None:
            raise SinkError(f"{self._broker}: is not open", code="mqtt-closed")
        with self._lock:
            spool.put(self._state.note_event(event))
        self._wake()

    def on_status(self, status: messages.Status) -> None:
        if self._state.note_status(status):
            self._wake()

    def close(self) -> None:
        """Send what can be sent at once. The rest stays on disk.

        If the thread hangs, the spool is taken away from it, so that the next sink finds what waits.
        """
        if self._controls is not None:
            self._controls.unwatch(self._on_state)
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._closing.set()
        self._wake()
        thread.join(LINGER_S)
        if self._spool is not None:
            self._spool.close()

    def _on_state(self, _state: messages.State) -> None:
        self._state.note_controls()
        self._wake()

    def _wake(self) -> None:
        if self._waker is not None:
            self._waker.wake()

    @property
    def _file_name(self) -> str:
        """The name of this broker and base in the state folder."""
        receiver = identifier(f"{self._broker.host}_{self._broker.port}_{self._config.base}")
        return spool_name("mqtt", receiver, self._config.name)

    def _run(self, spool: Spool, held: ExitStack) -> None:
        """Connect again and again until closed."""
        with held:
            while not self._closing.is_set():
                if self._connect(spool):
                    self._backoff.succeeded()
                self._closing.wait(self._backoff.failed())

    def _connect(self, spool: Spool) -> bool:
        """Hold one connection until it is lost or the sink is closed; return whether there was one."""
        from listener.sinks.mqtt.connection import Connection, MqttError

        connected = False
        assert self._waker
        try:
            with closing(Connection(self._broker, (self._topics.daemon, OFFLINE), self._waker)) as connection:
                connection.open()
                connected = True
                if spool.is_closed:  # connecting took so long that another sink may have replaced this one
                    connection.leave()
                else:
                    self._serve(connection, spool)
        except MqttError as err:
            # A broker that is just restarting breaks off connections, as one that expects TLS does.
            is_restart = err.code == "mqtt-tls" and self._was_connected and not connected
            self._incidents.report(str(err), "mqtt-away" if is_restart else err.code)
        except Exception as err:  # noqa: BLE001 - no error ends the thread
            message = f"{self._broker}: {err!r}. This is a bug in listener; please report it"
            self._incidents.report(message, "bug", exc_info=err)
        if not connected:
            self._short_connections = 0
        return connected

    def _serve(self, connection: "Connection", spool: Spool) -> None:
        from listener.sinks.mqtt.session import Session

        began = time.monotonic()
        message = f"{self._broker}: connected; {len(spool)} lines wait to be sent"
        if self._was_connected or self._incidents.is_open:
            self._incidents.resolve(message, forget=False)
        else:
            log.info("%s", message)
        self._was_connected = True
        announcer = self._announcer()
        session = Session(connection, spool, self._state, self._topics, commands=self._commands, announcer=announcer)
        try:
            session.run(self._closing, self._lock)
            connection.leave()
        finally:
            self._end_incident(time.monotonic() - began)

    def _end_incident(self, connected_s: float) -> None:
        """End the incident if the connection was stable; report a series of connections that were not."""
        if connected_s > STABLE_S:
            self._short_connections = 0
            self._incidents.forget()
            return
        self._short_connections += 1
        if self._short_connections == SHORT_CONNECTIONS:
            problem = f"{self._broker}: connections end again and again; does another client use this client_id?"
            self._incidents.report(problem, "short")

    def _announcer(self) -> "Announcer":
        """Build the discovery messages. With discovery off, and for what is gone, earlier ones are withdrawn."""
        from listener.sinks.mqtt.session import Announcer

        store = DiscoveryStore(paths.state_folder() / f"{self._file_name}.announced.json")
        return Announcer(
            birth=f"{self._config.discovery_prefix}/status" if self._config.discovery else None,
            messages=lambda: self._announce(store),
            delivered=store.confirm,
            expiring=lambda: [
                self._topics.of(source, label) for source in self._topics.sources for label in self._labels
            ],
        )

    def _announce(self, store: DiscoveryStore) -> list[tuple[str, bytes]]:
        """Return what to publish, and store it. The store also has our own retained topics, without components."""
        announcements, kept = self._announcements(), self._topics.retained()
        before = store.exchange(homeassistant.announced(announcements) | {topic: {} for topic in kept})
        return homeassistant.messages(announcements, {topic: before[topic] for topic in before if topic not in kept})

    def _announcements(self) -> dict[str, homeassistant.Payload]:
        config = self._config
        if not config.discovery:
            return {}
        return homeassistant.announcements(
            self._topics, self._hello, self._labels, prefix=config.discovery_prefix, with_level=config.level
        )

    def _discovery_labels(self) -> list[str]:
        return _labels(self._config.discovery_labels, self._hello) if self._config.discovery else []


def _check(config: MqttConfig) -> None:
    """Refuse settings that contradict each other."""
    check_host(config.host, "host")
    if not config.tls and (config.ca_file or config.cert_file or config.key_file or config.insecure):
        raise _error("ca_file, cert_file, key_file and insecure need TLS", "Set tls = true.")
    if config.key_file and not config.cert_file:
        raise _error("key_file is set, but cert_file is not", "Set both.")
    if config.password_file and not config.user:
        raise _error("password_file is set, but user is not", "Set both.")


def _error(problem: str, remedy: str) -> ConfigError:
    return ConfigError(problem, code="mqtt-settings", remedy=remedy)


def _broker(config: MqttConfig) -> "Broker":
    try:
        from listener.sinks.mqtt.connection import Broker
    except ImportError as err:
        remedy = "Install it with: pip install 'listener[mqtt]'"
        raise ConfigError("paho-mqtt 2 is not installed", code="mqtt-library", remedy=remedy) from err

    return Broker(
        host=config.host,
        port=config.port or (TLS_PORT if config.tls else PORT),
        tls=config.tls,
        insecure=config.insecure,
        ca_file=config.ca_file,
        cert_file=config.cert_file,
        key_file=config.key_file,
        user=config.user,
        password_file=config.password_file,
        # Always the same, so that the broker ends a dead connection of ours, with its will, as soon as we are back.
        client_id=config.client_id or f"listener-{socket.gethostname()}-{identifier(config.base)}",
    )


def _labels(names: Sequence[str], hello: messages.Hello) -> list[str]:
    """Return the labels of labels and groups. Unknown ones are skipped: an update of the model may remove a label."""
    known = (*hello.labels, *hello.groups)
    for name in names:
        if name not in known:
            log.warning("mqtt: discovery_labels: there is no label or group %r. %s", name, suggestion(name, known))
    meant = [label for name in names for label in hello.groups.get(name, [name])]
    return [label for label in dict.fromkeys(meant) if label in hello.labels]
