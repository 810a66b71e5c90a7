"""Messages between processes: one JSON object per line, on sockets, in logs and in pipes."""

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Literal

import msgspec

from listener.errors import ListenerError

PROTOCOL = 1

Phase = Literal["start", "update", "end"]
Topic = Literal["event", "level", "status", "spectrum"]


class RequestError(ListenerError, ValueError):
    """A client sent a line that is not a request of this protocol."""


@cache
def run_id() -> str:
    """Return the beginning of the ids of all events of this process."""
    return os.urandom(4).hex()


class Event(msgspec.Struct, frozen=True, tag="event", kw_only=True):
    """A named sound. The messages of one event share `id` and are numbered by `seq`; every message has every key.

    `*_s` are seconds since the source's stream began. `start` and `end` are the same moments by the wall clock, null
    for files. `detected_s` is how much audio had arrived when the event was first reported.
    """

    v: int = PROTOCOL
    id: str
    seq: int
    phase: Phase | None  # None: a whole event, as `classify` prints it
    label: str
    score: float  # smoothed, now
    peak: float  # the highest so far
    start: str | None
    end: str | None
    start_s: float
    end_s: float | None
    detected_s: float
    source: str
    level_dbfs: float
    model: str
    top: dict[str, float]


class Level(msgspec.Struct, frozen=True, tag="level", kw_only=True):
    """The level of one source, several times a second, for displays. Old messages are dropped first."""

    source: str
    at_s: float
    level_dbfs: float
    floor_dbfs: float | None
    open: bool
    top: dict[str, float]


class Spectrum(msgspec.Struct, frozen=True, tag="spectrum", kw_only=True):
    """Columns of one source's spectrogram. Old messages are dropped first."""

    source: str
    at_s: float  # the end of the last column
    column_s: float  # the time between two columns; a gap shows in `at_s`
    low_db: float  # the power in a mel band that a cell of 0 stands for
    high_db: float  # the same for 255
    mels: int  # cells of a column, the lowest band first
    columns: bytes  # one after the other; base64 in JSON


class SourceState(StrEnum):
    """What a source is doing."""

    WAITING = "waiting"  # for a device that has not been there yet
    LISTENING = "listening"
    RECOVERING = "recovering"  # from a device that is gone or stalled
    ENDED = "ended"


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one source."""

    state: str
    detail: str
    heard_s: float  # audio that was classified or found quiet
    lost_s: float  # audio that was lost
    gate_duty: float  # share of that audio for which the gate was open
    clips: int
    inference_ms: float  # mean of the clips since the status before, front end included
    level_dbfs: float = -100.0  # now
    peak_dbfs: float = -100.0  # the loudest 20 ms since the status before
    floor_dbfs: float | None = None  # the background level that the gate tracks
    inference_s: float = 0.0  # of all clips together
    inference_le_ms: dict[str, int] = {}  # milliseconds -> clips that took no longer; "inf": all clips
    waiting_s: float = 0.0  # audio that waits to be processed
    trouble: str = ""  # what is wrong with its audio while it listens; empty: nothing


class Status(msgspec.Struct, frozen=True, tag="status", kw_only=True):
    """The state of the daemon, once a second."""

    uptime_s: float
    cpu: float  # share of one core since the status before
    sources: dict[str, SourceStatus]
    sinks: dict[str, int]  # events that each has lost
    waiting: dict[str, int] = {}  # events that wait for each sink


class Hello(msgspec.Struct, frozen=True, tag="hello", kw_only=True):
    """The first message to a client of the socket."""

    v: int = PROTOCOL
    version: str
    pid: int
    model: str
    provider: str
    labels: list[str]
    thresholds: dict[str, float]
    groups: dict[str, list[str]]
    sources: list[str]
    config: str = ""  # the absolute path of the configuration; empty: none


class Ack(msgspec.Struct, frozen=True, tag="ack", kw_only=True):
    """The answer to a subscription: what the client receives from now on."""

    subscribe: list[str]
    labels: list[str] | None
    replay: int


class Error(msgspec.Struct, frozen=True, tag="error", kw_only=True):
    """Why the daemon closes the connection."""

    message: str


class Refusal(msgspec.Struct, frozen=True, tag="refusal", kw_only=True):
    """Why a command was refused. The connection stays open."""

    message: str


class Subscribe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A client's subscription. It replaces the one before."""

    subscribe: list[Topic]
    labels: list[str] | None = None
    replay: int = 0


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A client's command. The answer is a `State` or a `Refusal`."""

    command: Literal["snooze", "wake", "listen", "threshold", "reload", "state", "test"]
    what: str = ""  # snooze, wake: a label, group, source or "all"; listen: a source; threshold, test: a label
    for_s: float | None = None  # snooze: null until it is woken
    labels: list[str] | None = None  # listen: labels and groups; null: all
    on: float | None = None  # threshold: null takes the configured one again


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The first message of a client on TCP, if the daemon requires a token. The answer is a `Hello`."""

    token: str


class State(msgspec.Struct, frozen=True, tag="state", kw_only=True):
    """What users have changed while the daemon runs."""

    snoozed: dict[str, str | None]  # label, group, source or "all" -> until when; null: until woken
    listening_for: dict[str, list[str]]  # source -> labels, for sources that do not listen for all
    thresholds: dict[str, float]  # label -> on-threshold, if it is not the configured one
    tested: list[str] = []  # after the command test: the sinks whose filters let the test event pass
    restart: list[str] = []  # changed sections of the configuration that wait for a restart


Message = Event | Level | Spectrum | Status | Hello | Ack | Error | Refusal | State

_encoder = msgspec.json.Encoder()
_messages = msgspec.json.Decoder(Message)
_subscriptions = msgspec.json.Decoder(Subscribe)
_commands = msgspec.json.Decoder(Command)
_tokens = msgspec.json.Decoder(Token)
_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])

TEST_SOURCE = "test"  # of events of `listener test-alarm`
LONGEST_SNOOZE_S = 366 * 86_400.0


def encode(message: Message | Subscribe | Command | Token) -> bytes:
    """Return a message as a line, newline included."""
    return _encoder.encode(message) + b"\n"


def decode(line: bytes) -> Message:
    """Return the message of a line.

    Raises:
        ValueError: It is not a message of this protocol.
    """
    message: Message = _messages.decode(line)
    return message


def decode_request(line: bytes) -> Subscribe | Command | Token:
    """Return the request of a client.

    Raises:
        RequestError: It is not a request.
    """
    try:
        keys = _objects.decode(line).keys()
    except (ValueError, RecursionError) as err:
        raise RequestError(f"not a request ({err})", code="request-invalid") from err
    if "command" in keys:
        return decode_command(line)
    try:
        if "token" in keys:
            return _tokens.decode(line)
        return _subscriptions.decode(line)
    except (ValueError, RecursionError) as err:
        raise RequestError(f"not a subscription ({err})", code="subscription-invalid") from err


def decode_command(line: bytes) -> Command:
    """Return the command of a line.

    Raises:
        RequestError: It is not a command.
    """
    try:
        return _commands.decode(line)
    except (ValueError, RecursionError) as err:
        raise RequestError(f"not a command ({err})", code="command-invalid") from err


def printable(path: str | os.PathLike[str]) -> str:
    """Return a path as text for JSON and terminals, with bytes that are not text replaced."""
    return os.fsencode(path).decode(errors="replace")


def wall_clock(unix_s: float) -> str:
    """Return a Unix time as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def at_wall_clock(event: Event, began_at: float, now_at: float) -> Event:
    """Return the event with wall-clock times.

    Args:
        event: An event with times of its stream.
        began_at: The Unix time of stream second 0, as of the start of the event.
        now_at: The same as of now: the clock of a sound card drifts.
    """
    end = None if event.end_s is None else wall_clock(now_at + event.end_s)
    return msgspec.structs.replace(event, start=wall_clock(began_at + event.start_s), end=end)


def renamed_source(event: Event, source: str) -> Event:
    """Return the event under another source's name."""
    return msgspec.structs.replace(event, source=source)


def make_test_event(label: str, model: str) -> tuple[Event, Event]:
    """The start and the end of an event that is marked as a test: its source is `test`, its id begins with `test-`."""
    now = time.time()
    start = Event(
        id=f"test-{os.urandom(4).hex()}",
        seq=0,
        phase="start",
        label=label,
        score=1.0,
        peak=1.0,
        start=wall_clock(now),
        end=None,
        start_s=0.0,
        end_s=None,
        detected_s=0.0,
        source=TEST_SOURCE,
        level_dbfs=-20.0,
        model=model,
        top={label: 1.0},
    )
    return start, msgspec.structs.replace(start, seq=1, phase="end", end=wall_clock(now), end_s=0.0)


def with_tested(state: State, sinks: Sequence[str]) -> State:
    """Return the state with the sinks that received a test event."""
    return msgspec.structs.replace(state, tested=list(sinks))


def whole(event: Event) -> Event:
    """Return the last message of an event as one message for the whole event."""
    return msgspec.structs.replace(event, phase=None, seq=0)


def cut_off(event: Event) -> Event:
    """Return the end of an event of which no end was recorded: it counts as ended when it was first reported."""
    return msgspec.structs.replace(event, phase="end", end_s=event.detected_s)
