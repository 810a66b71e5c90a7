"""Events, levels and status over MQTT, with Home Assistant's discovery; commands the other way."""

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
from listener.base.requirements import Requirements
from listener.base.schema import Meta, Section, suggestion
from listener.errors import ConfigError, SinkError
from listener.routing.controls import Controls
from listener.routing.sink import BaseSink
from listener.sinks.mqtt import homeassistant
from listener.sinks.mqtt.retained import Memory
from listener.sinks.mqtt.state import News
from listener.sinks.mqtt.topics import OFFLINE, Topics, checked, identifier
from listener.storage.spool import Spool, own_spool

if TYPE_CHECKING:
    from listener.sinks.mqtt.connection import Broker, Link
    from listener.sinks.mqtt.session import Announcer

log = logging.getLogger(__name__)

BACK_OFF_S = (0.5, 10.0)  # the first pause before the next attempt, and the longest
STABLE_S = 2.0  # after a connection that held so long, the next trouble is a new episode
SHORT_ONES = 5
LINGER_S = 1.0
PORT, TLS_PORT = 1883, 8883


class MqttConfig(Section, frozen=True):
    """MQTT."""

    host: Annotated[str, Meta(min_length=1, description="the broker")] = "localhost"
    port: Annotated[int, Meta(ge=0, le=65535, description="0: 8883 with TLS, 1883 without")] = 0
    tls: Annotated[bool, Meta(description="true: encrypted, and the broker's certificate is checked")] = False
    ca_file: Annotated[str, Meta(description="the authority of that certificate, PEM; empty: the system's")] = ""
    insecure: Annotated[bool, Meta(description="true: the certificate is not checked, and anybody may listen in")] = (
        False
    )
    cert_file: Annotated[str, Meta(description="a certificate of ours, PEM, where the broker wants one")] = ""
    key_file: Annotated[str, Meta(description="its key; empty: it is in the same file")] = ""
    user: Annotated[str, Meta(description="empty: none")] = ""
    password_file: Annotated[
        str, Meta(description="a file with nothing but the password; a bare name: of systemd's LoadCredential=")
    ] = ""
    client_id: Annotated[
        str, Meta(description="each client of a broker has its own; empty: from host name and base")
    ] = ""
    base: Annotated[str, Meta(description="all topics begin with it; each daemon at a broker has its own")] = "listener"
    level: Annotated[bool, Meta(description="true: the level of each source, once a second")] = True
    discovery: Annotated[bool, Meta(description="true: Home Assistant finds the daemon by itself")] = True
    discovery_prefix: Annotated[str, Meta(min_length=1, description="as it is set in Home Assistant")] = "homeassistant"
    discovery_labels: Annotated[
        tuple[str, ...], Meta(description="labels and groups that are a binary sensor each, besides the event")
    ] = ("alarm",)


class Mqtt(BaseSink):
    """Events, levels and status over MQTT, and commands from there. What cannot be sent waits on disk."""

    Config = MqttConfig

    def __init__(
        self, config: MqttConfig, hello: messages.Hello, *, back_off_s: tuple[float, float] = BACK_OFF_S
    ) -> None:
        _check(config)
        self._config, self._hello, self._back_off_s = config, hello, back_off_s
        self._topics = Topics(config.base, hello.sources, hello.labels)
        checked(config.discovery_prefix, "discovery_prefix")
        self._broker = _broker(config)
        self._news = News(self._topics, with_level=config.level)
        self._trouble = _Trouble()
        self._controls: Controls | None = None
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._spool: Spool | None = None

    @property
    def requirements(self) -> Requirements:
        config, broker = self._config, self._broker
        secrets = {key: getattr(config, key) for key in ("password_file", "ca_file", "cert_file", "key_file")}
        return Requirements(
            secrets={key: name for key, name in secrets.items() if name},
            folders=(paths.state_folder(),),
            exclusive=(f"client_id {broker.client_id!r} at {broker}",),
            labels={"discovery_labels": config.discovery_labels if config.discovery else ()},
        )

    def probe(self) -> str:
        """Connect as another client and go, and say how. LinkError where that fails. Nothing is published."""
        from listener.sinks.mqtt.connection import reach

        return reach(self._broker)

    def set_controls(self, controls: Controls) -> None:
        """Take commands from now on, and tell of every change."""
        self._controls = controls
        self._news.follow(controls)
        controls.watch(self._note_steering)

    def on_hello(self, hello: messages.Hello) -> None:
        """Tell of other labels from now on, Home Assistant included. The connection stays."""
        topics = Topics(self._config.base, hello.sources, hello.labels)
        self._hello, self._topics = hello, topics
        self._news.set_topics(topics)
        if self._thread is not None:
            self._labels = self._discovered()
            self._bell.ring()

    def open(self) -> None:
        from listener.sinks.mqtt.connection import Bell
        from listener.sinks.mqtt.session import Orders

        if self._thread is not None:
            return
        with ExitStack() as resources:
            self._spool = spool = own_spool(paths.state_folder(), self._name, Spool, resources)
            self._bell, self._orders = Bell(), Orders(self._controls)
            if self._broker.insecure:
                log.warning("%s: insecure = true: anybody on the way may listen in; set ca_file instead", self._broker)
            self._labels = self._discovered()
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
        """Put it on disk, to be sent when there is a connection."""
        spool = self._spool
        if self._thread is None or spool is None:
            raise SinkError(f"{self._broker}: is not open")
        with self._lock:
            spool.put(self._news.note_event(event))
        self._bell.ring()

    def on_status(self, status: messages.Status) -> None:
        """Note how the sources are doing."""
        if self._news.note_status(status) and self._thread is not None:
            self._bell.ring()

    def close(self) -> None:
        """Send what waits as far as it goes at once, and go. The rest stays on disk for the next time.

        A thread that hangs loses the spool: a sink that comes in the place of this one must find what waits.
        """
        if self._controls is not None:
            self._controls.unwatch(self._note_steering)
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._closing.set()
        self._bell.ring()
        thread.join(LINGER_S)
        if self._spool is not None:
            self._spool.close()

    def _note_steering(self, _state: messages.State) -> None:
        self._news.note_steering()
        if self._thread is not None:
            self._bell.ring()

    @property
    def _name(self) -> str:
        """What files of this broker and base are called in the state folder."""
        return f"mqtt-{identifier(f'{self._broker.host}_{self._broker.port}_{self._config.base}')}"

    def _run(self, spool: Spool, held: ExitStack) -> None:
        """Connect again and again; nobody knows how long a connecting thread hangs."""
        first_s, longest_s = self._back_off_s
        pause_s = first_s
        try:
            while not self._closing.is_set():
                pause_s = first_s if self._converse(spool) else min(2 * pause_s, longest_s)
                self._closing.wait(pause_s)
        finally:
            held.close()
            self._bell.close()

    def _converse(self, spool: Spool) -> bool:
        """Hold one connection until it is lost, or we close; whether there was one. What is wrong is said."""
        from listener.sinks.mqtt.connection import Link, LinkError

        let_in = False
        try:
            with closing(Link(self._broker, (self._topics.daemon, OFFLINE), self._bell)) as link:
                link.open()
                let_in = True
                if spool.is_closed:  # we hung for so long that another may be there by now
                    link.leave()
                else:
                    self._serve(link, spool)
        except LinkError as err:
            self._trouble.say(err.kind, str(err), let_in=let_in)
        except Exception as err:  # noqa: BLE001 - whatever goes wrong in here, the thread tries again
            message = f"{self._broker}: {err!r}. This is a fault in listener; please report it"
            self._trouble.say("fault", message, let_in=let_in, fault=err)
        return let_in

    def _serve(self, link: "Link", spool: Spool) -> None:
        from listener.sinks.mqtt.session import Session

        began = time.monotonic()
        self._trouble.over(f"{self._broker}: connected; {len(spool)} lines wait to be sent")
        session = Session(link, spool, self._news, self._topics, orders=self._orders, announcer=self._announcer())
        try:
            session.run(self._closing, self._lock)
            link.leave()
        finally:
            self._trouble.forget(time.monotonic() - began, f"{self._broker}: connections are ended again and again")

    def _announcer(self) -> "Announcer":
        """What Home Assistant is told; with discovery switched off, that what it was told before is no more.

        What the broker keeps of sources and labels that are gone is taken back likewise.
        """
        from listener.sinks.mqtt.session import Announcer

        memory = Memory(paths.state_folder() / f"{self._name}.announced.json")
        return Announcer(
            birth=f"{self._config.discovery_prefix}/status" if self._config.discovery else None,
            messages=lambda: self._announced(memory),
            delivered=memory.confirm,
        )

    def _announced(self, memory: Memory) -> list[tuple[str, bytes]]:
        """What is announced, and what takes back what is no more; it is remembered.

        Our own retained topics are in the memory too, without components.
        """
        announcements, kept = self._announcements(), self._topics.retained()
        before = memory.exchange(homeassistant.announced(announcements) | {topic: {} for topic in kept})
        return homeassistant.messages(announcements, {topic: before[topic] for topic in before if topic not in kept})

    def _announcements(self) -> dict[str, homeassistant.Payload]:
        config = self._config
        if not config.discovery:
            return {}
        return homeassistant.announcements(
            self._topics, self._hello, self._labels, prefix=config.discovery_prefix, with_level=config.level
        )

    def _discovered(self) -> list[str]:
        return _labels(self._config.discovery_labels, self._hello) if self._config.discovery else []


class _Trouble:
    """Says each kind of trouble once an episode, which ends with a connection that holds."""

    def __init__(self) -> None:
        self._known = False  # whether there ever was a connection
        self._said: set[str] = set()
        self._news = True  # whether a connection is worth a line
        self._short = 0  # connections in a row that did not hold

    def say(self, kind: str, message: str, *, let_in: bool, fault: Exception | None = None) -> None:
        if not let_in:
            self._short = 0
            kind = "away" if kind == "tls" and self._known else kind  # a broker that is just being restarted
        first = kind not in self._said
        log.log(logging.WARNING if first else logging.DEBUG, "%s", message, exc_info=fault)
        self._said.add(kind)
        self._news |= first

    def over(self, message: str) -> None:
        """There is a connection."""
        log.log(logging.INFO if self._news else logging.DEBUG, "%s", message)
        self._news, self._known = False, True

    def forget(self, held_s: float, message: str) -> None:
        """A connection has ended: a new episode, where it held for long. `message` is said where none does."""
        self._short = 0 if held_s > STABLE_S else self._short + 1
        if not self._short:
            self._said.clear()
        elif self._short == SHORT_ONES:
            self.say("short", f"{message}; is there another client with our client_id?", let_in=True)


def _check(config: MqttConfig) -> None:
    """Refuse what is right key by key and impossible together."""
    check_host(config.host, "host")
    if not config.tls and (config.ca_file or config.cert_file or config.key_file or config.insecure):
        raise ConfigError("mqtt: ca_file, cert_file, key_file and insecure are about TLS; set tls = true")
    if config.key_file and not config.cert_file:
        raise ConfigError("mqtt: key_file is set and cert_file is not; set both")
    if config.password_file and not config.user:
        raise ConfigError("mqtt: password_file is set and user is not; set both")


def _broker(config: MqttConfig) -> "Broker":
    try:
        from listener.sinks.mqtt.connection import Broker
    except ImportError as err:
        raise ConfigError("mqtt: needs paho-mqtt 2; install it with: pip install 'listener[mqtt]'") from err

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
        # The same each time: so a broker that still holds a dead connection of ours ends it, with its will, at once.
        client_id=config.client_id or f"listener-{socket.gethostname()}-{identifier(config.base)}",
    )


def _labels(names: Sequence[str], hello: messages.Hello) -> list[str]:
    """The labels of names of labels and groups. One that is none is passed over: a model's update may take it away."""
    known = (*hello.labels, *hello.groups)
    for name in names:
        if name not in known:
            log.warning("mqtt: discovery_labels: there is no label or group %r. %s", name, suggestion(name, known))
    meant = [label for name in names for label in hello.groups.get(name, [name])]
    return [label for label in dict.fromkeys(meant) if label in hello.labels]
