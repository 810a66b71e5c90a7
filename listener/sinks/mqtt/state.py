"""What an MQTT connection has to say: noted by the daemon's threads, taken by the one that sends."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from listener import messages
from listener.messages import SourceState
from listener.routing.controls import Controls, is_muted
from listener.sinks.mqtt.topics import (
    AVAILABILITY,
    DETECTED,
    EVENT,
    LEVEL,
    OFF,
    OFFLINE,
    ON,
    ONLINE,
    STATE,
    STATUS,
    Topics,
)

STATUS_S = 30.0  # a status that says nothing new waits so long
FIRST = b"+"  # before a spooled line that is the first of its event
STATUS_KEYS = ("state", "detail", "trouble", "heard_s", "lost_s", "gate_duty", "clips", "inference_ms")
LEVEL_KEYS = ("level_dbfs", "peak_dbfs", "floor_dbfs")
DETECTED_KEYS = ("id", "source", "score", "peak", "level_dbfs", "start", "model")


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be published."""

    topic: str
    payload: bytes
    retain: bool = False


class News:
    """Facts, each of which has a topic and holds until it is replaced, and levels. For any thread."""

    def __init__(self, topics: Topics, *, with_level: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self._topics, self._with_level, self._clock = topics, with_level, clock
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], str] = {}  # source, label -> id of the event that is under way
        self._facts: dict[str, bytes] = {topics.daemon: ONLINE}
        self._levels: dict[str, bytes] = {}
        self._said: dict[str, tuple[tuple[str, ...], float]] = {}  # source -> what its status said, and when
        self._controls: Controls | None = None
        self._steered = False
        self._renamed = False

    def set_topics(self, topics: Topics) -> None:
        """Tell of the labels of these topics from now on."""
        with self._lock:
            self._topics, self._renamed = topics, True

    def take_renamed(self) -> bool:
        """Whether the labels have changed since it was last asked."""
        with self._lock:
            renamed, self._renamed = self._renamed, False
            return renamed

    def follow(self, controls: Controls) -> None:
        """Take the state of the controls for a fact."""
        self._controls = controls
        self.note_steering()

    def note_steering(self) -> None:
        """The state of the controls has changed."""
        self._steered = True

    def note_event(self, event: messages.Event) -> bytes:
        """An event's line as it is to be spooled. It is marked where it is the first of its event that comes here."""
        key = event.source, event.label
        with self._lock:
            first = self._running.get(key) != event.id
            if event.phase in ("end", None):
                self._running.pop(key, None)
            else:
                self._running[key] = event.id
        return (FIRST if first else b"") + messages.encode(event).rstrip()

    def note_status(self, status: messages.Status) -> bool:
        """How the sources are doing; whether there is something to send."""
        with self._lock:
            known = [(source, found) for source, found in status.sources.items() if source in self._topics.sources]
            fresh = [source for source, found in known if self._note_source(source, found)]
            return bool(fresh or self._levels)

    def facts(self) -> dict[str, bytes]:
        """Topic -> payload of all that is retained, but for the labels."""
        with self._lock:
            if self._controls is not None and self._steered:
                self._steered = False
                self._facts |= self._steering(self._controls.state())
            return dict(self._facts)

    def label_facts(self) -> dict[str, bytes]:
        """Topic -> ON or OFF of every label of every source."""
        with self._lock:
            return {
                self._topics.of(source, label): ON if (source, label) in self._running else OFF
                for source in self._topics.sources
                for label in self._topics.labels
            }

    def keeps(self, topic: str) -> bool:
        """Whether it is a topic of which something is retained, as the labels are now."""
        return topic in self._topics.retained()

    def take_levels(self) -> dict[str, bytes]:
        """Topic -> the newest levels since they were last taken."""
        with self._lock:
            levels, self._levels = self._levels, {}
            return levels

    def _note_source(self, source: str, found: messages.SourceStatus) -> bool:
        """Its availability and level; and its status, where that says something new, or has not been said for long."""
        there = found.state == SourceState.LISTENING
        self._facts[self._topics.of(source, AVAILABILITY)] = ONLINE if there else OFFLINE
        if self._with_level:
            self._levels[self._topics.of(source, LEVEL)] = _picked(found, LEVEL_KEYS)
        before, at = self._said.get(source, ((), 0.0))
        says, now = (found.state, found.detail, found.trouble), self._clock()
        if says == before and now - at < STATUS_S:
            return False
        self._said[source] = says, now
        self._facts[self._topics.of(source, STATUS)] = _picked(found, STATUS_KEYS)
        return True

    def _steering(self, state: messages.State) -> dict[str, bytes]:
        return {
            self._topics.of(source, STATE): _json(
                {
                    "muted": is_muted(state, source),
                    "snoozed": state.snoozed,
                    "labels": state.listening_for.get(source),
                    "thresholds": state.thresholds,
                }
            )
            for source in self._topics.sources
        }


def publications(topics: Topics, line: bytes) -> Iterator[Message]:
    """What is published of a spooled line; ValueError where it is none of ours."""
    first, said = line[:1] == FIRST, line.removeprefix(FIRST)
    event = messages.decode(said)
    if not isinstance(event, messages.Event):
        raise ValueError(f"a spooled line is no event: {said[:80]!r}")  # noqa: TRY004 - what is caught of all decoding
    yield Message(topics.of(event.source, EVENT), said)
    if first:
        yield Message(topics.of(event.source, DETECTED), _detected(event))
    if event.phase in ("end", None):
        yield Message(topics.of(event.source, event.label), OFF, retain=True)
    elif first:
        yield Message(topics.of(event.source, event.label), ON, retain=True)


def _detected(event: messages.Event) -> bytes:
    return _json({"event_type": event.label} | {key: getattr(event, key) for key in DETECTED_KEYS})


def _picked(found: messages.SourceStatus, keys: tuple[str, ...]) -> bytes:
    return _json({key: getattr(found, key) for key in keys})


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
