"""The traffic over one connection to a broker, from the first subscription to the last message."""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from listener import messages as wire
from listener.base.incidents import IncidentLog
from listener.routing.controls import EVERYTHING, Controls
from listener.sinks.mqtt.connection import Connection
from listener.sinks.mqtt.state import Message, MqttState, publications
from listener.sinks.mqtt.topics import ERROR, OFF, OFFLINE, ON, STATE, Topics
from listener.storage.spool import Spool

log = logging.getLogger(__name__)

WINDOW = 32  # lines in flight
PAUSE_S = 0.03  # after that many lines: a backlog must not overflow the queue that a broker has for each subscriber
TIMEOUT_S = 1.0
LEAVE_S = 0.8
MAX_LOGGED_CHARS = 200
REFRESH_S = 60.0  # between repetitions of the states that expire in Home Assistant
MAX_COMMAND_BYTES = 64 * 1024
# The names in payloads -> the daemon's own commands. These apply to the topic's source unless they name another one.
SOURCE_COMMANDS = {"mute": "snooze", "unmute": "wake", "listen": "listen"}
NAME_WANTED = "Give a label, group, source or 'all'. Use mute and unmute for the microphone itself."
OTHER_COMMANDS = {"snooze": NAME_WANTED, "wake": NAME_WANTED, "threshold": "Give a label."}


@dataclass(slots=True, eq=False)
class _InFlight:
    """A spooled line that was sent, and how many of its messages are not acknowledged yet."""

    number: int
    missing: int = 0


class Commands:
    """Executes commands that arrive from a broker. Errors are answers, never exceptions."""

    def __init__(self, controls: Controls | None) -> None:
        self._controls = controls
        self._incidents = IncidentLog("mqtt", log)

    def execute(self, source: str, payload: bytes, *, retained: bool) -> str | None:
        """Execute a message on the command topic of a source; return why it is refused, if it is."""
        error: str | None
        if not payload:  # a retained message was deleted
            return None
        if retained:  # it would be executed at each connection
            error = "retained commands are not executed; publish it without retain"
        else:
            try:
                error = self._execute(source, _command(source, payload))
            except (ValueError, RecursionError) as err:
                error = str(err)
        if error is not None:
            self._incidents.report(f"command for {source} refused: {error[:MAX_LOGGED_CHARS]}", "command")
        return error

    def _execute(self, source: str, command: wire.Command) -> str | None:
        if self._controls is None:
            return "there is nothing here to command"
        state = self._controls.execute(command)
        if (command.command, command.what) == ("wake", source) and EVERYTHING in state.snoozed:
            return f"{source} stays muted while everything is snoozed; wake {EVERYTHING!r}"
        return None


@dataclass(frozen=True, slots=True)
class Announcer:
    """What is announced at each connection, and whenever Home Assistant starts.

    Attributes:
        birth: The topic on which Home Assistant says that it has started.
        messages: Returns the announcements, and the withdrawals of what is gone.
        delivered: Called when the broker has taken all of them.
        expiring: Returns the topics whose state expires in Home Assistant unless it is repeated.
    """

    birth: str | None
    messages: Callable[[], list[tuple[str, bytes]]]
    delivered: Callable[[], None]
    expiring: Callable[[], list[str]]


class Session:
    """One connection's traffic. For one thread.

    `run` returns when `closing` is set, and raises MqttError when the connection is lost.
    """

    def __init__(
        self,
        connection: Connection,
        spool: Spool,
        state: MqttState,
        topics: Topics,
        *,
        commands: Commands,
        announcer: Announcer,
    ) -> None:
        self._connection, self._spool, self._state, self._topics = connection, spool, state, topics
        self._commands, self._announcer = commands, announcer
        self._sources = topics.commands()
        self._sent_retained: dict[str, bytes] = {}  # topic -> the retained payload last sent over this connection
        self._refresh_at = time.monotonic() + REFRESH_S
        self._in_flight: deque[_InFlight] = deque()
        self._sent = 0  # number of the last line that was sent
        self._pause_until = 0.0
        self._unreadable = False  # lines wait, but the spool cannot read them

    def run(self, closing: threading.Event, lock: threading.Lock) -> None:
        """Serve until `closing` is set. `lock` is held while an event is noted and spooled."""
        for topic in (*self._sources, *([self._announcer.birth] if self._announcer.birth else [])):
            self._connection.subscribe(topic)
        self._announce()
        while not closing.is_set():
            if self._state.take_labels_changed():
                self._announce()
            self._publish_news(lock)
            for topic, payload, retained in self._connection.turn(self._timeout_s()):
                self._on_message(topic, payload, retained=retained)
        self._leave()

    def _publish_news(self, lock: threading.Lock) -> None:
        self._publish_retained(self._state.retained_state())
        self._send_lines()
        with lock:
            labels = {} if self._has_unsent and not self._unreadable else self._state.label_state()
        if time.monotonic() >= self._refresh_at:
            self._refresh_at = time.monotonic() + REFRESH_S
            for topic in self._announcer.expiring():
                self._sent_retained.pop(topic, None)
        self._publish_retained(labels)  # after all lines that can be read, which have ON and OFF of their own
        if not self._connection.congested:
            for topic, payload in self._state.take_levels().items():
                self._connection.publish(topic, payload, qos=0)

    def _timeout_s(self) -> float:
        """Return the time until the next lines of a backlog can be sent, for which nothing wakes the thread."""
        if not self._has_unsent or self._is_busy:
            return TIMEOUT_S
        return max(0.0, self._pause_until - time.monotonic())

    @property
    def _has_unsent(self) -> bool:
        return len(self._spool) > len(self._in_flight)

    @property
    def _is_busy(self) -> bool:
        """So many lines are under way that more have to wait."""
        return len(self._in_flight) > WINDOW // 2

    def _publish_retained(self, state: Mapping[str, bytes]) -> None:
        for topic, payload in state.items():
            if self._sent_retained.get(topic) != payload:
                self._connection.publish(topic, payload, retain=True)
                self._sent_retained[topic] = payload

    def _send_lines(self) -> None:
        if not self._has_unsent or self._is_busy or time.monotonic() < self._pause_until:
            return
        fresh = [(number, line) for number, line in self._spool.first(WINDOW) if number > self._sent]
        for number, line in fresh:
            self._send_line(_InFlight(number), line)
        self._unreadable = not fresh
        if self._unreadable:  # do not keep the disk busy
            self._pause_until = time.monotonic() + TIMEOUT_S
        elif len(fresh) > WINDOW // 2:
            self._pause_until = time.monotonic() + PAUSE_S

    def _send_line(self, sent: _InFlight, line: bytes) -> None:
        try:
            messages = [self._lasting(message) for message in publications(self._topics, line)]
        except ValueError as err:  # of another version, or damaged: it would block the spool forever
            log.warning("mqtt: %s; it is dropped", err)
            messages = []
        self._sent = sent.number
        self._in_flight.append(sent)
        sent.missing = len(messages)

        def taken() -> None:
            sent.missing -= 1
            self._remove_acknowledged()

        for message in messages:
            self._connection.publish(message.topic, message.payload, retain=message.retain, done=taken)
            if message.retain:
                self._sent_retained[message.topic] = message.payload
        self._remove_acknowledged()

    def _lasting(self, message: Message) -> Message:
        """Retain only topics of current labels: nobody would withdraw others."""
        return replace(message, retain=message.retain and self._state.keeps(message.topic))

    def _remove_acknowledged(self) -> None:
        """Remove acknowledged lines from the head of the spool, so that the rest is sent again in order."""
        while self._in_flight and not self._in_flight[0].missing:
            self._spool.remove(self._in_flight.popleft().number)

    def _on_message(self, topic: str, payload: bytes, *, retained: bool) -> None:
        if topic == self._announcer.birth:
            if payload == b"online" and not retained:
                self._announce()
            return
        source = self._sources.get(topic)
        if source is None:
            return
        error = self._commands.execute(source, payload, retained=retained)
        if error is not None:
            self._connection.publish(self._topics.of(source, ERROR), error.encode())
        self._sent_retained.pop(self._topics.of(source, STATE), None)  # to be sent again, as the answer

    def _announce(self) -> None:
        messages = self._announcer.messages()
        if not messages:
            self._announcer.delivered()
        for number, (topic, payload) in enumerate(messages, 1):
            last = number == len(messages)
            self._sent_retained.pop(topic, None)  # it may be withdrawn, and come back later
            self._connection.publish(topic, payload, retain=True, done=self._announcer.delivered if last else None)

    def _leave(self) -> None:
        """Send what waits while there is time, then publish that the daemon is offline."""
        deadline = time.monotonic() + LEAVE_S
        while len(self._spool) and time.monotonic() < deadline - LEAVE_S / 4:
            self._send_lines()
            self._connection.turn(min(self._timeout_s(), 0.05))
        gone: list[bool] = []
        self._connection.publish(self._topics.daemon, OFFLINE, retain=True, done=lambda: gone.append(True))
        while not gone and time.monotonic() < deadline:
            self._connection.turn(0.05)


def _command(source: str, payload: bytes) -> wire.Command:
    """Decode a command, or raise ValueError."""
    if payload.strip() in (ON, OFF):  # Home Assistant's switch
        return wire.Command(command="snooze" if payload.strip() == ON else "wake", what=source)
    if len(payload) > MAX_COMMAND_BYTES:
        raise ValueError(f"not a command: {len(payload)} bytes are too many")
    try:
        asked = json.loads(payload)
    except ValueError as err:
        raise ValueError(f"not a command ({err}). Send ON, OFF or a JSON object.") from err
    if not isinstance(asked, dict):
        raise ValueError("not a command. Send ON, OFF or a JSON object.")  # noqa: TRY004 - as all other errors
    name = str(asked.get("command"))
    if name in SOURCE_COMMANDS:
        asked = {"what": source} | asked | {"command": SOURCE_COMMANDS[name]}
    elif name in OTHER_COMMANDS and "what" not in asked:  # the source as default would mute a microphone by mistake
        raise ValueError(f"{name} lacks `what`. {OTHER_COMMANDS[name]}")
    return wire.decode_command(json.dumps(asked).encode())
