"""One connection to an MQTT broker. The only file that knows paho."""

import logging
import os
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from listener.base import paths
from listener.base.textfile import read_text
from listener.errors import ConfigError, SinkError

log = logging.getLogger(__name__)

KEEPALIVE_S = 20
ANSWER_S = 10.0  # so long a broker may take to answer the first packet
NOT_AUTHORISED = (134, 135)
BAD_CLIENT_ID = 133


class LinkError(SinkError):
    """There is no connection, or no more. `kind` tells troubles apart of which each is to be said once."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is, and who we are to it."""

    host: str
    port: int
    tls: bool
    insecure: bool
    ca_file: str
    cert_file: str
    key_file: str
    user: str
    password_file: str
    client_id: str

    def __str__(self) -> str:
        return f"mqtt {self.host}:{self.port}"


class Bell:
    """Wakes the thread that waits at a link. `ring` is for any thread."""

    def __init__(self) -> None:
        self._button, self.ear = socket.socketpair()
        for end in (self._button, self.ear):
            end.setblocking(False)

    def ring(self) -> None:
        with suppress(OSError):  # full: it rings already; closed: nobody is there to wake
            self._button.send(b"!")

    def hush(self) -> None:
        with suppress(BlockingIOError):
            self.ear.recv(4096)

    def close(self) -> None:
        self._button.close()
        self.ear.close()


class Link:
    """A connection from its making to its loss; a new one is made each time. For one thread.

    paho sends again what was not acknowledged when it connects again by itself. Here only the spool may do that, so a
    paho client lives no longer than its connection.
    """

    def __init__(self, broker: Broker, will: tuple[str, bytes] | None, bell: Bell) -> None:
        self._broker, self._bell = broker, bell
        self._answer: ReasonCode | None = None
        self._detail = ""
        self._acknowledged: list[int] = []
        self._received: list[tuple[str, bytes, bool]] = []
        self._done: dict[int, Callable[[], None]] = {}
        self._selector = selectors.DefaultSelector()
        self._client = self._made(will)

    def open(self) -> None:
        """Connect, and wait until the broker lets us in. LinkError, naming the remedy, where it does not."""
        self._secure()
        self._reach()
        self._selector.register(self._socket(), selectors.EVENT_READ)
        self._selector.register(self._bell.ear, selectors.EVENT_READ)
        deadline = time.monotonic() + ANSWER_S
        while self._answer is None:
            if time.monotonic() > deadline:
                raise LinkError("away", f"{self._broker}: does not answer as an MQTT broker; check host and port")
            self.turn(0.5)
        if self._answer.is_failure:
            raise self._refused(self._answer)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1, done: Callable[[], None] | None = None
    ) -> None:
        """Send a message; `done` is called by a later `turn` once the broker has taken it."""
        sent = self._client.publish(topic, payload, qos, retain)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise self._lost()
        if done is not None:
            self._done[sent.mid] = done

    def subscribe(self, topic: str) -> None:
        """Have `turn` return what comes on a topic."""
        self._client.subscribe(topic, 1)

    @property
    def congested(self) -> bool:
        """Whether the network does not take more just now."""
        return self._client.want_write()

    def turn(self, patience_s: float) -> list[tuple[str, bytes, bool]]:
        """Wait until something happens, and do it; what has come: topic, payload, and whether it was a retained one.

        LinkError where the connection is lost.
        """
        end = self._socket()
        interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._client.want_write() else 0)
        self._selector.modify(end, interest)
        unread = isinstance(end, ssl.SSLSocket) and end.pending() > 0  # of which no selector knows
        ready = {key.fileobj: events for key, events in self._selector.select(0 if unread else patience_s)}
        if self._bell.ear in ready:
            self._bell.hush()
        try:
            self._pump(reads=unread or bool(ready.get(end, 0) & selectors.EVENT_READ))
        finally:  # what was taken before the connection was lost need not be sent again
            self._tell_done()
        received, self._received = self._received, []
        return received

    def leave(self) -> None:
        """Say good-bye, so that the broker does not publish the last will."""
        self._client.disconnect()

    def close(self) -> None:
        """Go; without a good-bye, the broker publishes the last will."""
        self._selector.close()
        end = self._client.socket()
        if end is not None:
            end.close()
        client = self._client  # without this cycle it goes at once, with its half megabyte of authorities
        client.on_connect = client.on_publish = client.on_message = client.on_subscribe = client.on_log = None

    def _made(self, will: tuple[str, bytes] | None) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._broker.client_id,
            clean_session=True,
            reconnect_on_failure=False,
        )
        if will is not None:
            client.will_set(*will, qos=1, retain=True)
        client.max_inflight_messages_set(0)  # no limit: what is under way is limited by who publishes
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_log = self._on_log
        return client

    def _secure(self) -> None:
        """Read certificates and password: anew for each connection, so that what was mended counts."""
        broker = self._broker
        if broker.tls:
            self._client.tls_set_context(_context(broker))
        if broker.user:
            self._client.username_pw_set(broker.user, _password(broker))

    def _reach(self) -> None:
        broker = self._broker
        try:
            self._client.connect(broker.host, broker.port, KEEPALIVE_S)
        except ssl.SSLCertVerificationError as err:
            raise LinkError(
                "certificate",
                f"{broker}: the broker's certificate is not trusted ({err.verify_message}); check ca_file, and that "
                f"host is the name in the certificate",
            ) from err
        except (ssl.SSLError, ConnectionResetError) as err:
            why = err.reason if isinstance(err, ssl.SSLError) else "connection reset"
            raise LinkError("tls", f"{broker}: TLS fails ({why}); check that the port is the one for TLS") from err
        except socket.gaierror as err:
            raise LinkError("away", f"{broker}: no such host ({err.strerror}); check host") from err
        except ConnectionRefusedError as err:
            raise LinkError("away", f"{broker}: nobody listens there; start the broker, or check port") from err
        except (OSError, ValueError) as err:  # ValueError, UnicodeError among them: a host that cannot be one
            raise LinkError("away", f"{broker}: cannot be reached ({err}); check host, port and the network") from err

    def _pump(self, *, reads: bool) -> None:
        client = self._client
        for step in ([client.loop_read] if reads else []) + [client.loop_write, client.loop_misc]:
            if step() != MQTTErrorCode.MQTT_ERR_SUCCESS and self._answer is None:
                raise self._lost()
        if client.socket() is None and not (self._answer and self._answer.is_failure):
            raise self._lost()

    def _tell_done(self) -> None:
        acknowledged, self._acknowledged = self._acknowledged, []
        for number in acknowledged:
            done = self._done.pop(number, None)
            if done is not None:
                done()

    def _socket(self) -> Any:  # paho's own type of it is no socket.socket
        end = self._client.socket()
        if end is None:
            raise self._lost()
        return end

    def _lost(self) -> LinkError:
        broker = self._broker
        detail = f" ({self._detail})" if self._detail else ""
        if self._answer is not None:
            return LinkError("away", f"{broker}: the connection is lost{detail}; events wait on disk")
        hint = "if it is a port for TLS, set tls = true"
        if broker.tls:
            hint = "check port, and cert_file, if it wants a certificate of ours"
        return LinkError("tls", f"{broker}: ended the connection before it said anything{detail}; {hint}")

    def _refused(self, answer: ReasonCode) -> LinkError:
        broker = self._broker
        if answer.value in NOT_AUTHORISED:
            if not broker.user:
                return LinkError("password", f"{broker}: wants a user and a password; set user and password_file")
            return LinkError("password", f"{broker}: the password of {broker.user!r} is refused; check password_file")
        if answer.value == BAD_CLIENT_ID:
            return LinkError("client", f"{broker}: refuses client_id {broker.client_id!r}; set another")
        return LinkError("refused", f"{broker}: refuses the connection ({answer}); look into the broker's log")

    # What paho calls while it is in one of its loops; nothing is done there but to note it.

    def _on_connect(self, _client: object, _data: object, _flags: object, answer: ReasonCode, _: object) -> None:
        self._answer = answer

    def _on_publish(self, _client: object, _data: object, number: int, _answer: object, _properties: object) -> None:
        self._acknowledged.append(number)

    def _on_subscribe(self, *arguments: Any) -> None:
        _, _, _, codes, _ = arguments
        if any(code.is_failure for code in codes):
            log.warning(
                "%s: commands from there are not heard: it does not let us subscribe; look at its access list",
                self._broker,
            )

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        self._received.append((message.topic, bytes(message.payload), message.retain))

    def _on_log(self, _client: object, _data: object, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._detail = text
            log.debug("%s: %s", self._broker, text)


def reach(broker: Broker) -> str:
    """Connect and go, and say how it went. LinkError, naming the remedy, where that fails.

    By another name and without a will: a client that has our client_id is not pushed out, and nothing is published.
    """
    visitor = replace(broker, client_id=f"listener-doctor-{os.urandom(4).hex()}")
    with closing(Bell()) as bell, closing(Link(visitor, None, bell)) as link:
        link.open()
        link.leave()
    how = "with TLS" if broker.tls else "without encryption"
    return f"{broker.host}:{broker.port} lets us in{f' as {broker.user!r}' if broker.user else ''}, {how}"


def _context(broker: Broker) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=_file(broker.ca_file))
        # Python 3.13 began to ask for key identifiers that home-made authorities lack.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if broker.insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if broker.cert_file:
            # The password: else one for an encrypted key would be asked for on the terminal.
            context.load_cert_chain(_file(broker.cert_file) or "", _file(broker.key_file), password="")
    except OSError as err:  # ssl.SSLError is one
        files = ", ".join(name for name in (broker.ca_file, broker.cert_file, broker.key_file) if name)
        why = "not PEM, or a key that is not the certificate's" if isinstance(err, ssl.SSLError) else err.strerror
        raise LinkError(
            "files", f"{broker}: cannot use {files} ({why}); check ca_file, cert_file and key_file"
        ) from err
    return context


def _file(name: str) -> str | None:
    return str(paths.credential(name)) if name else None


def _password(broker: Broker) -> str | None:
    if not broker.password_file:
        return None
    path = paths.credential(broker.password_file)
    try:
        return read_text(path).rstrip("\r\n")
    except ConfigError as err:
        raise LinkError("files", f"{broker}: password_file: {err}") from err
