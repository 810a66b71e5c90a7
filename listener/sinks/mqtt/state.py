"""What is to be published over MQTT: noted by the threads of the daemon, taken by the one that sends."""

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

STATUS_S = 30.0  # between status messages without news
FIRST = b"+"  # before a spooled line that is the first of its event
STATUS_KEYS = ("state", "detail", "trouble", "heard_s", "lost_s", "gate_duty", "clips", "inference_ms")
LEVEL_KEYS = ("level_dbfs", "peak_dbfs", "floor_dbfs")
DETECTED_KEYS = ("id", "source", "score", "peak", "level_dbfs", "start", "model")


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish."""

    topic: str
    payload: bytes
    retain: bool = False


class MqttState:
    """The retained messages, one per topic, and the latest levels. For any thread."""

    def __init__(self, topics: Topics, *, with_level: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self._topics, self._with_level, self._clock = topics, with_level, clock
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], str] = {}  # source, label -> id of the running event
        self._retained: dict[str, bytes] = {topics.daemon: ONLINE}
        self._levels: dict[str, bytes] = {}
        self._sent: dict[str, tuple[tuple[str, ...], float]] = {}  # source -> its last status, and when it was sent
        self._controls: Controls | None = None
        self._controls_changed = False
        self._labels_changed = False

    def set_topics(self, topics: Topics) -> None:
        """Continue with the labels of these topics."""
        with self._lock:
            self._topics, self._labels_changed = topics, True

    def take_labels_changed(self) -> bool:
        """Return whether the labels have changed since the last call."""
        with self._lock:
            renamed, self._labels_changed = self._labels_changed, False
            return renamed

    def follow(self, controls: Controls) -> None:
        """Publish the state of the controls."""
        self._controls = controls
        self.note_controls()

    def note_controls(self) -> None:
        """Note that the state of the controls has changed."""
        self._controls_changed = True

    def note_event(self, event: messages.Event) -> bytes:
        """Return the line to spool for an event, marked if it is the first one of its event."""
        key = event.source, event.label
        with self._lock:
            first = self._running.get(key) != event.id
            if event.phase in ("end", None):
                self._running.pop(key, None)
            else:
                self._running[key] = event.id
        return (FIRST if first else b"") + messages.encode(event).rstrip()

    def note_status(self, status: messages.Status) -> bool:
        """Note the state of the sources; return whether there is something to send."""
        with self._lock:
            known = [(source, found) for source, found in status.sources.items() if source in self._topics.sources]
            fresh = [source for source, found in known if self._note_source(source, found)]
            return bool(fresh or self._levels)

    def retained_state(self) -> dict[str, bytes]:
        """Return topic and payload of everything that is retained, except labels."""
        with self._lock:
            if self._controls is not None and self._controls_changed:
                self._controls_changed = False
                self._retained |= self._controls_state(self._controls.state())
            return dict(self._retained)

    def label_state(self) -> dict[str, bytes]:
        """Return the topic of every label of every source, with ON or OFF."""
        with self._lock:
            return {
                self._topics.of(source, label): ON if (source, label) in self._running else OFF
                for source in self._topics.sources
                for label in self._topics.labels
            }

    def keeps(self, topic: str) -> bool:
        """Tell whether a topic is one of the retained topics of the current labels."""
        return topic in self._topics.retained()

    def take_levels(self) -> dict[str, bytes]:
        """Remove and return topic and payload of the levels since the last call."""
        with self._lock:
            levels, self._levels = self._levels, {}
            return levels

    def _note_source(self, source: str, found: messages.SourceStatus) -> bool:
        """Note availability and level; and the status if it is new or was not sent for a while."""
        there = found.state == SourceState.LISTENING
        self._retained[self._topics.of(source, AVAILABILITY)] = ONLINE if there else OFFLINE
        if self._with_level:
            self._levels[self._topics.of(source, LEVEL)] = _picked(found, LEVEL_KEYS)
        before, at = self._sent.get(source, ((), 0.0))
        says, now = (found.state, found.detail, found.trouble), self._clock()
        if says == before and now - at < STATUS_S:
            return False
        self._sent[source] = says, now
        self._retained[self._topics.of(source, STATUS)] = _picked(found, STATUS_KEYS)
        return True

    def _controls_state(self, state: messages.State) -> dict[str, bytes]:
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
    """Yield the messages for a spooled line, or raise ValueError if it is not an event."""
    first, rest = line[:1] == FIRST, line.removeprefix(FIRST)
    event = messages.decode(rest)
    if not isinstance(event, messages.Event):
        raise ValueError(f"a spooled line is not an event: {rest[:80]!r}")  # noqa: TRY004 - as decoding errors
    yield Message(topics.of(event.source, EVENT), rest)
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
