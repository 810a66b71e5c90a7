"""What the daemon says, kept as far as a page that opens needs it, and handed to every page that is open.

For the event loop's thread alone.
"""

import asyncio
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator

from listener import messages
from listener.web.daemon_link import Disconnected, News

KEPT = 512  # event lines to resume from
FIRST = 60  # events that a page begins with
SEATS = 64
HEARTBEAT_S = 15.0  # so that a page that has gone without a word is noticed
LANES = {"event": KEPT, "daemon": 16, "status": 8, "level": 32, "spectrum": 32}  # in the order they are sent


class Seat:
    """One page that is open: the messages that wait for it. Old meters and columns are dropped first."""

    def __init__(self) -> None:
        self._lanes = {kind: deque[bytes](maxlen=bound) for kind, bound in LANES.items()}
        self._bell = asyncio.Event()
        self._ended = False

    def offer(self, kind: str, message: bytes) -> None:
        """Queue a message. A page too slow for events is let go: it comes back, and resumes after its last one."""
        lane = self._lanes[kind]
        if kind == "event" and len(lane) == KEPT:
            self.end()
        lane.append(message)
        self._bell.set()

    def end(self) -> None:
        self._ended = True
        self._bell.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """What to send, until it is ended."""
        while not self._ended:
            waiting = [message for lane in self._lanes.values() for message in lane]
            for lane in self._lanes.values():
                lane.clear()
            if waiting:
                yield b"".join(waiting)
            self._bell.clear()
            try:
                await asyncio.wait_for(self._bell.wait(), HEARTBEAT_S)
            except TimeoutError:
                yield b":\n\n"


class Hub:
    """`look` is told whether anybody looks."""

    def __init__(self, look: Callable[[bool], None]) -> None:
        self._look = look
        self._epoch = secrets.token_hex(4)  # ids of another process mean nothing to this one
        self._number = 0
        self._events: deque[tuple[int, messages.Event]] = deque(maxlen=KEPT)
        self._known: dict[str, int] = {}  # id of an event -> the seq of its last line
        self._latest: dict[
            tuple[str, str], messages.Message | Disconnected
        ] = {}  # what a page that opens is told first
        self._seats: set[Seat] = set()

    def publish(self, news: News) -> None:
        """Keep what is said, and tell it to all."""
        if isinstance(news, messages.Event):
            self._publish_event(news)
            return
        kind = _kind(news)
        if not kind:
            return
        if isinstance(news, Disconnected):
            self._cut_off()
            self._latest.clear()  # of a daemon that is not there nothing is true any more
        if not isinstance(news, messages.Spectrum):
            self._latest[type(news).__name__, getattr(news, "source", "")] = news
        if isinstance(news, messages.Hello):
            self._latest.pop(("Disconnected", ""), None)
        for seat in self._seats:
            seat.offer(kind, _message(news))

    def join(self, after: str = "") -> Seat | None:
        """A seat for a page that opens, or comes back having seen the events up to `after`. None: too many are open."""
        if len(self._seats) == SEATS:
            return None
        seat = Seat()
        for news in self._latest.values():
            seat.offer(_kind(news), _message(news))
        for number, event in self._missed(after):
            seat.offer("event", self._line(number, event))
        self._seats.add(seat)
        self._look(True)
        return seat

    def leave(self, seat: Seat) -> None:
        self._seats.discard(seat)
        self._look(bool(self._seats))

    def close(self) -> None:
        """Let every page go."""
        for seat in self._seats:
            seat.end()

    def _publish_event(self, event: messages.Event) -> None:
        if event.seq <= self._known.get(event.id, -1):  # replayed, as after each new connection
            return
        self._known.pop(event.id, None)
        self._known[event.id] = event.seq  # the latest last
        while len(self._known) > 2 * KEPT:
            del self._known[next(iter(self._known))]
        self._tell(event)

    def _cut_off(self) -> None:
        """End what is under way: nobody else will. A daemon that was only out of reach tells of it again."""
        last = {event.id: event for _, event in self._events}
        for event in last.values():
            if event.phase != "end":
                self._tell(messages.cut_off(event))
                self._known[event.id] = event.seq - 1

    def _tell(self, event: messages.Event) -> None:
        self._number += 1
        self._events.append((self._number, event))
        for seat in self._seats:
            seat.offer("event", self._line(self._number, event))

    def _missed(self, after: str) -> Iterator[tuple[int, messages.Event]]:
        """The lines after that one; for a page that is new, the last of each of the latest events."""
        epoch, _, number = after.partition("-")
        if epoch == self._epoch and number.isdecimal():
            yield from (line for line in self._events if line[0] > int(number))
            return
        last = {event.id: (number, event) for number, event in self._events}
        yield from sorted(last.values(), key=lambda line: line[0])[-FIRST:]

    def _line(self, number: int, event: messages.Event) -> bytes:
        return b"id: %s-%d\n" % (self._epoch.encode(), number) + _message(event)


def _kind(news: News) -> str:
    match news:
        case messages.Event():
            return "event"
        case Disconnected() | messages.Hello() | messages.State():
            return "daemon"
        case messages.Status():
            return "status"
        case messages.Level():
            return "level"
        case messages.Spectrum():
            return "spectrum"
    return ""


def _message(news: News) -> bytes:
    """As text/event-stream has it: https://html.spec.whatwg.org/multipage/server-sent-events.html."""
    return b"data: " + _data(news) + b"\n\n"


def _data(news: News) -> bytes:
    if isinstance(news, Disconnected):
        return json.dumps({"type": "away", "why": news.why}).encode()
    return messages.encode(news).rstrip()
