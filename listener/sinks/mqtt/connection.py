"""One connection to an MQTT broker. Only this file uses paho."""

import logging
import os
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from listener.base import paths
from listener.base.textfile import read_text
from listener.base.waker import Waker
from listener.errors import ConfigError, SinkError

log = logging.getLogger(__name__)

KEEPALIVE_S = 20
ANSWER_S = 10.0  # time limit for the broker's answer to CONNECT
NOT_AUTHORISED = (134, 135)
BAD_CLIENT_ID = 133


class MqttError(SinkError):
    """There is no connection, or it was lost."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is, and how to log in."""

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


class Connection:
    """A connection, from CONNECT until it is lost. For one thread.

    paho repeats unacknowledged messages if it reconnects by itself. Here only the spool does that, so each connection
    has a paho client of its own.

    Args:
        broker: The broker.
        will: Topic and payload that the broker publishes if the connection is lost, retained.
        waker: Ends `turn` early.
    """

    def __init__(self, broker: Broker, will: tuple[str, bytes] | None, waker: Waker) -> None:
        self._broker, self._waker = broker, waker
        self._answer: ReasonCode | None = None
        self._detail = ""
        self._acknowledged: list[int] = []
        self._received: list[tuple[str, bytes, bool]] = []
        self._done: dict[int, Callable[[], None]] = {}
        self._selector = selectors.DefaultSelector()
        self._client = self._made(will)

    def open(self) -> None:
        """Connect and log in, or raise MqttError."""
        self._secure()
        self._reach()
        self._selector.register(self._socket(), selectors.EVENT_READ)
        self._selector.register(self._waker, selectors.EVENT_READ)
        deadline = time.monotonic() + ANSWER_S
        while self._answer is None:
            if time.monotonic() > deadline:
                raise _error(self._broker, "does not answer as an MQTT broker", "away", "Check host and port.")
            self.turn(0.5)
        if self._answer.is_failure:
            raise self._refused(self._answer)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1, done: Callable[[], None] | None = None
    ) -> None:
        """Send a message. A later `turn` calls `done` when the broker has acknowledged it."""
        sent = self._client.publish(topic, payload, qos, retain)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise self._lost()
        if done is not None:
            self._done[sent.mid] = done

    def subscribe(self, topic: str) -> None:
        """Have `turn` return the messages of a topic."""
        self._client.subscribe(topic, 1)

    @property
    def congested(self) -> bool:
        """Whether the network takes no more at the moment."""
        return self._client.want_write()

    def turn(self, timeout_s: float) -> list[tuple[str, bytes, bool]]:
        """Wait until something happens, and handle it.

        Returns:
            The messages that have arrived: topic, payload, and whether it is a retained one.

        Raises:
            MqttError: The connection is lost.
        """
        end = self._socket()
        interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._client.want_write() else 0)
        self._selector.modify(end, interest)
        unread = isinstance(end, ssl.SSLSocket) and end.pending() > 0  # a selector does not see it
        ready = {key.fileobj: events for key, events in self._selector.select(0 if unread else timeout_s)}
        if self._waker in ready:
            self._waker.clear()
        try:
            self._pump(reads=unread or bool(ready.get(end, 0) & selectors.EVENT_READ))
        finally:  # acknowledged before the connection was lost: not to be sent again
            self._call_done()
        received, self._received = self._received, []
        return received

    def leave(self) -> None:
        """Disconnect, so that the broker does not publish the last will."""
        self._client.disconnect()

    def close(self) -> None:
        """Close the socket. Without `leave` before, the broker publishes the last will."""
        self._selector.close()
        end = self._client.socket()
        if end is not None:
            end.close()
        client = self._client  # without this cycle its memory, half a megabyte of certificates, is freed at once
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
        client.max_inflight_messages_set(0)  # no limit: the session limits what is in flight
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_log = self._on_log
        return client

    def _secure(self) -> None:
        """Read certificates and password, for each connection again, because they may have been corrected."""
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
            remedy = "Check ca_file, and that host is the name in the certificate."
            raise _error(broker, f"certificate not trusted ({err.verify_message})", "certificate", remedy) from err
        except (ssl.SSLError, ConnectionResetError) as err:
            why = err.reason if isinstance(err, ssl.SSLError) else "connection reset"
            raise _error(broker, f"TLS fails ({why})", "tls", "Check that the port is the one for TLS.") from err
        except socket.gaierror as err:
            raise _error(broker, f"no such host ({err.strerror})", "away", "Check host.") from err
        except ConnectionRefusedError as err:
            raise _error(broker, "connection refused", "away", "Start the broker, or check port.") from err
        except (OSError, ValueError) as err:  # ValueError, UnicodeError among them: a host that cannot be one
            raise _error(broker, f"cannot be reached ({err})", "away", "Check host, port and the network.") from err

    def _pump(self, *, reads: bool) -> None:
        client = self._client
        for step in ([client.loop_read] if reads else []) + [client.loop_write, client.loop_misc]:
            if step() != MQTTErrorCode.MQTT_ERR_SUCCESS and self._answer is None:
                raise self._lost()
        if client.socket() is None and not (self._answer and self._answer.is_failure):
            raise self._lost()

    def _call_done(self) -> None:
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

    def _lost(self) -> MqttError:
        broker = self._broker
        detail = f" ({self._detail})" if self._detail else ""
        if self._answer is not None:
            return _error(broker, f"the connection is lost{detail}; events wait on disk", "away", "")
        remedy = "If it is a port for TLS, set tls = true."
        if broker.tls:
            remedy = "Check port, and cert_file if the broker wants a client certificate."
        return _error(broker, f"closed the connection without an answer{detail}", "tls", remedy)

    def _refused(self, answer: ReasonCode) -> MqttError:
        broker = self._broker
        if answer.value in NOT_AUTHORISED:
            if not broker.user:
                return _error(broker, "wants a user and a password", "password", "Set user and password_file.")
            return _error(broker, f"refuses the password of {broker.user!r}", "password", "Check password_file.")
        if answer.value == BAD_CLIENT_ID:
            return _error(broker, f"refuses client_id {broker.client_id!r}", "client-id", "Set another client_id.")
        return _error(broker, f"refuses the connection ({answer})", "refused", "See the broker's log.")

    # paho calls these in its loops. They only take notes.

    def _on_connect(self, _client: object, _data: object, _flags: object, answer: ReasonCode, _: object) -> None:
        self._answer = answer

    def _on_publish(self, _client: object, _data: object, number: int, _answer: object, _properties: object) -> None:
        self._acknowledged.append(number)

    def _on_subscribe(self, *arguments: Any) -> None:
        _, _, _, codes, _ = arguments
        if any(code.is_failure for code in codes):
            log.warning(
                "%s: refuses a subscription, so that no commands arrive. Check its access list.",
                self._broker,
            )

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        self._received.append((message.topic, bytes(message.payload), message.retain))

    def _on_log(self, _client: object, _data: object, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._detail = text
            log.debug("%s: %s", self._broker, text)


def reach(broker: Broker) -> str:
    """Connect and disconnect, and return how it went, or raise MqttError.

    It has another client ID and no will, so it does not replace the running client, and nothing is published.
    """
    visitor = replace(broker, client_id=f"listener-doctor-{os.urandom(4).hex()}")
    with closing(Waker()) as waker, closing(Connection(visitor, None, waker)) as connection:
        connection.open()
        connection.leave()
    how = "with TLS" if broker.tls else "without encryption"
    return f"{broker.host}:{broker.port} accepts the login{f' of {broker.user!r}' if broker.user else ''}, {how}"


def _context(broker: Broker) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=_file(broker.ca_file))
        # Python 3.13 asks for key identifiers, which home-made authorities lack.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if broker.insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if broker.cert_file:
            # Without a password, one for an encrypted key would be asked for on the terminal.
            context.load_cert_chain(_file(broker.cert_file) or "", _file(broker.key_file), password="")
    except OSError as err:  # ssl.SSLError is one
        files = ", ".join(name for name in (broker.ca_file, broker.cert_file, broker.key_file) if name)
        why = "not PEM, or the key of another certificate" if isinstance(err, ssl.SSLError) else err.strerror
        raise _error(broker, f"cannot use {files} ({why})", "files", "Check ca_file, cert_file and key_file.") from err
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
        raise _error(broker, f"password_file: {err.message}", "files", err.remedy) from err


def _error(broker: Broker, problem: str, code: str, remedy: str) -> MqttError:
    return MqttError(f"{broker}: {problem}", code=f"mqtt-{code}", remedy=remedy)
