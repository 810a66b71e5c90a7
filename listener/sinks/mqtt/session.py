"""What is said and heard over one connection to a broker, from the greeting to the good-bye."""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from listener import messages as wire
from listener.routing.controls import EVERYTHING, Controls
from listener.sinks.mqtt import state
from listener.sinks.mqtt.connection import Link
from listener.sinks.mqtt.state import Message, News
from listener.sinks.mqtt.topics import ERROR, OFF, OFFLINE, ON, STATE, Topics
from listener.storage.spool import Spool

log = logging.getLogger(__name__)

WINDOW = 32  # lines under way at a time
REST_S = 0.03  # after so many, so that a backlog does not overrun the queue a broker keeps for each subscriber
PATIENCE_S = 1.0
LEAVE_S = 0.8
LONGEST_ORDER = 64 * 1024
# As a payload names it -> the daemon's own command: these are about the topic's source, unless they name another.
OF_THE_SOURCE = {"mute": "snooze", "unmute": "wake", "listen": "listen"}
A_NAME = "give a label, group, source or 'all'; the microphone itself is muted by mute, and again heard by unmute"
OF_SOMETHING = {"snooze": A_NAME, "wake": A_NAME, "threshold": "give a label"}


@dataclass(slots=True, eq=False)
class _Flight:
    """A spooled line that was sent, and how many of its messages the broker has not taken yet."""

    number: int
    missing: int = 0


class Orders:
    """Commands from a broker, each answered with None, or with why it is not obeyed. None ever fails louder."""

    def __init__(self, controls: Controls | None) -> None:
        self._controls = controls
        self._refused = False

    def obey(self, source: str, payload: bytes, *, retained: bool) -> str | None:
        """Do what a message on a source's topic asks for."""
        why: str | None
        if not payload:  # how a retained message is deleted
            return None
        if retained:  # it would be obeyed again at each connection, for ever
            why = "a retained command is not obeyed; publish it without retain"
        else:
            try:
                why = self._obey(source, _command(source, payload))
            except (ValueError, RecursionError) as err:
                why = str(err)
        if why is not None:
            log.log(logging.DEBUG if self._refused else logging.WARNING, "mqtt: command for %s: %s", source, why)
            self._refused = True
        return why

    def _obey(self, source: str, command: wire.Command) -> str | None:
        if self._controls is None:
            return "commands are not taken here"
        state = self._controls.obey(command)
        if (command.command, command.what) == ("wake", source) and EVERYTHING in state.snoozed:
            return f"{source} stays muted while everything is snoozed; wake {EVERYTHING!r}"
        return None


@dataclass(frozen=True, slots=True)
class Announcer:
    """What is published at each connection, and whenever Home Assistant says on `birth` that it is there.

    `messages` are what it is told, and what takes back what is no more; `delivered` is called when all are taken.
    """

    birth: str | None
    messages: Callable[[], list[tuple[str, bytes]]]
    delivered: Callable[[], None]


class Session:
    """For one thread; `run` returns when `closing` is set, and raises LinkError when the connection is lost."""

    def __init__(
        self, link: Link, spool: Spool, news: News, topics: Topics, *, orders: Orders, announcer: Announcer
    ) -> None:
        self._link, self._spool, self._news, self._topics = link, spool, news, topics
        self._orders, self._announcer = orders, announcer
        self._sources = topics.orders()
        self._said: dict[str, bytes] = {}  # topic -> the retained payload last sent over this connection
        self._flying: deque[_Flight] = deque()
        self._sent = 0  # the number of the last line that was sent
        self._rest_until = 0.0
        self._unreadable = False  # there are lines to be sent, and the spool does not give them

    def run(self, closing: threading.Event, lock: threading.Lock) -> None:
        """Serve until closing. Under `lock` a line is noted and spooled, so that the two are seen as one."""
        for topic in (*self._sources, *([self._announcer.birth] if self._announcer.birth else [])):
            self._link.subscribe(topic)
        self._announce()
        while not closing.is_set():
            if self._news.take_renamed():
                self._announce()
            self._spool.gather()
            self._say_what_is_new(lock)
            for topic, payload, retained in self._link.turn(self._patience_s()):
                self._hear(topic, payload, retained=retained)
        self._take_leave()

    def _say_what_is_new(self, lock: threading.Lock) -> None:
        self._tell(self._news.facts())
        self._send_lines()
        with lock:
            labels = {} if self._has_unsent and not self._unreadable else self._news.label_facts()
        self._tell(labels)  # only once all lines are out that can be read, whose own ON and OFF come first
        if not self._link.congested:
            for topic, payload in self._news.take_levels().items():
                self._link.publish(topic, payload, qos=0)

    def _patience_s(self) -> float:
        """Until there is something to do that nothing wakes us for: the next lines of a backlog."""
        if not self._has_unsent or self._is_busy:
            return PATIENCE_S
        return max(0.0, self._rest_until - time.monotonic())

    @property
    def _has_unsent(self) -> bool:
        return len(self._spool) > len(self._flying)

    @property
    def _is_busy(self) -> bool:
        """So many lines are under way that more have to wait."""
        return len(self._flying) > WINDOW // 2

    def _tell(self, facts: Mapping[str, bytes]) -> None:
        for topic, payload in facts.items():
            if self._said.get(topic) != payload:
                self._link.publish(topic, payload, retain=True)
                self._said[topic] = payload

    def _send_lines(self) -> None:
        if not self._has_unsent or self._is_busy or time.monotonic() < self._rest_until:
            return
        fresh = [(number, line) for number, line in self._spool.first(WINDOW) if number > self._sent]
        for number, line in fresh:
            self._send_line(_Flight(number), line)
        self._unreadable = not fresh
        if self._unreadable:  # asked again at once, it would keep us busy and the disk too
            self._rest_until = time.monotonic() + PATIENCE_S
        elif len(fresh) > WINDOW // 2:
            self._rest_until = time.monotonic() + REST_S

    def _send_line(self, flight: _Flight, line: bytes) -> None:
        try:
            messages = [self._lasting(message) for message in state.publications(self._topics, line)]
        except ValueError as err:  # of another version, or damaged: it would stand in the way for ever
            log.warning("mqtt: %s; it is dropped", err)
            messages = []
        self._sent = flight.number
        self._flying.append(flight)
        flight.missing = len(messages)

        def taken() -> None:
            flight.missing -= 1
            self._land()

        for message in messages:
            self._link.publish(message.topic, message.payload, retain=message.retain, done=taken)
            if message.retain:
                self._said[message.topic] = message.payload
        self._land()

    def _lasting(self, message: Message) -> Message:
        """Retained only where it is looked after: that of a label that is no more was taken back, and would stay."""
        return replace(message, retain=message.retain and self._news.keeps(message.topic))

    def _land(self) -> None:
        """Remove from the spool what was taken, from its head on: so what is left is sent again in order."""
        while self._flying and not self._flying[0].missing:
            self._spool.remove(self._flying.popleft().number)

    def _hear(self, topic: str, payload: bytes, *, retained: bool) -> None:
        if topic == self._announcer.birth:
            if payload == b"online" and not retained:
                self._announce()
            return
        source = self._sources.get(topic)
        if source is None:
            return
        why = self._orders.obey(source, payload, retained=retained)
        if why is not None:
            self._link.publish(self._topics.of(source, ERROR), why.encode())
        self._said.pop(self._topics.of(source, STATE), None)  # so that it is said again, as the answer

    def _announce(self) -> None:
        messages = self._announcer.messages()
        if not messages:
            self._announcer.delivered()
        for number, (topic, payload) in enumerate(messages, 1):
            last = number == len(messages)
            self._said.pop(topic, None)  # one that is taken back, and may come again
            self._link.publish(topic, payload, retain=True, done=self._announcer.delivered if last else None)

    def _take_leave(self) -> None:
        """Send what waits as far as there is time, then say that we go."""
        deadline = time.monotonic() + LEAVE_S
        while len(self._spool) and time.monotonic() < deadline - LEAVE_S / 4:
            self._send_lines()
            self._link.turn(min(self._patience_s(), 0.05))
        gone: list[bool] = []
        self._link.publish(self._topics.daemon, OFFLINE, retain=True, done=lambda: gone.append(True))
        while not gone and time.monotonic() < deadline:
            self._link.turn(0.05)


def _command(source: str, payload: bytes) -> wire.Command:
    """The command of a payload; ValueError, naming what is wrong, where it is none."""
    if payload.strip() in (ON, OFF):  # Home Assistant's switch
        return wire.Command(command="snooze" if payload.strip() == ON else "wake", what=source)
    if len(payload) > LONGEST_ORDER:
        raise ValueError(f"this is no command: {len(payload)} bytes are too many")
    try:
        asked = json.loads(payload)
    except ValueError as err:
        raise ValueError(f"this is no command ({err}); send ON, OFF or a JSON object") from err
    if not isinstance(asked, dict):
        raise ValueError("this is no command; send ON, OFF or a JSON object")  # noqa: TRY004 - as for all else
    name = str(asked.get("command"))
    if name in OF_THE_SOURCE:
        asked = {"what": source} | asked | {"command": OF_THE_SOURCE[name]}
    elif name in OF_SOMETHING and "what" not in asked:  # that of the source would mute a microphone by an oversight
        raise ValueError(f"{name} lacks `what`: {OF_SOMETHING[name]}")
    return wire.decode_command(json.dumps(asked).encode())
