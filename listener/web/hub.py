"""Keeps what the daemon reports as far as a new page needs it, and passes it on to every open page.

For the event loop's thread only.
"""

import asyncio
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator

from listener import messages
from listener.routing.subscriber import Subscriber
from listener.web.daemon_link import Disconnected, News

KEPT = 512  # event lines from which a page can resume
FIRST = 60  # events with which a new page begins
PAGES = 64
MAX_DIGITS = 18  # of an event's number; Python refuses to convert thousands of digits
MAX_BYTES = 2_000_000  # that wait for one page
HEARTBEAT_S = 15.0  # a page that has vanished is noticed when this cannot be sent
LANES = {"daemon": 16, "event": KEPT, "status": 8, "level": 32, "spectrum": 32}  # bounds, in the order of sending


class PageQueue:
    """The messages that wait for one open page; the oldest levels and spectra are dropped."""

    def __init__(self) -> None:
        self._waiting = Subscriber(LANES, MAX_BYTES)
        self._ready = asyncio.Event()
        self._ended = False

    def offer(self, kind: str, message: bytes) -> None:
        """Queue a message. If there is no room for an event, the stream ends: the page reconnects and resumes."""
        if kind == "event" and self._waiting.is_full(kind, len(message)):
            self.end()
        self._waiting.offer(kind, message)
        self._ready.set()

    def end(self) -> None:
        """End the stream."""
        self._ended = True
        self._ready.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield what to send, until the stream is ended."""
        while not self._ended:
            waiting = b"".join(message for kind in LANES for message in self._waiting.take(kind))
            if waiting:
                yield waiting
            self._ready.clear()
            try:
                await asyncio.wait_for(self._ready.wait(), HEARTBEAT_S)
            except TimeoutError:
                yield b":\n\n"


class Hub:
    """Passes messages on to pages.

    Args:
        on_watched: Called with whether any page is open.
    """

    def __init__(self, on_watched: Callable[[bool], None]) -> None:
        self._on_watched = on_watched
        self._epoch = secrets.token_hex(4)  # tells our ids from those of an earlier process
        self._number = 0
        self._events: deque[tuple[int, messages.Event]] = deque(maxlen=KEPT)
        self._known: dict[str, int] = {}  # id of an event -> the seq of its last line
        self._latest: dict[tuple[str, str], messages.Message | Disconnected] = {}  # what a new page needs
        self._pages: set[PageQueue] = set()

    def publish(self, news: News) -> None:
        """Keep a message, and queue it for every page."""
        if isinstance(news, messages.Event):
            self._publish_event(news)
            return
        kind = _kind(news)
        if not kind:
            return
        if isinstance(news, Disconnected):
            self._end_events()
            self._latest.clear()  # nothing is known about a daemon that is gone
        if not isinstance(news, messages.Spectrum):
            self._latest[type(news).__name__, getattr(news, "source", "")] = news
        if isinstance(news, messages.Hello):
            self._latest.pop(("Disconnected", ""), None)
        for page in self._pages:
            page.offer(kind, _message(news))

    def join(self, after: str = "") -> PageQueue | None:
        """Return the queue of a page that opens.

        Args:
            after: The id of the last event that it received, if it was open before.

        Returns:
            The queue, or None if too many pages are open.
        """
        if len(self._pages) == PAGES:
            return None
        page = PageQueue()
        for news in self._latest.values():
            page.offer(_kind(news), _message(news))
        for number, event in self._missed(after):
            page.offer("event", self._line(number, event))
        self._pages.add(page)
        self._on_watched(True)
        return page

    def leave(self, page: PageQueue) -> None:
        """Forget a page that was closed."""
        self._pages.discard(page)
        self._on_watched(bool(self._pages))

    def close(self) -> None:
        """End the streams of all pages."""
        for page in self._pages:
            page.end()

    def _publish_event(self, event: messages.Event) -> None:
        if event.seq <= self._known.get(event.id, -1):  # the daemon replays its last events on each connection
            return
        self._known.pop(event.id, None)
        self._known[event.id] = event.seq  # the latest last
        while len(self._known) > 2 * KEPT:
            del self._known[next(iter(self._known))]
        self._send_event(event)

    def _end_events(self) -> None:
        """End the events under way, since the daemon cannot. If it was only out of reach, it reports them again."""
        last = {event.id: event for _, event in self._events}
        for event in last.values():
            if event.phase != "end":
                self._send_event(messages.cut_off(event))
                self._known[event.id] = event.seq - 1

    def _send_event(self, event: messages.Event) -> None:
        self._number += 1
        self._events.append((self._number, event))
        for page in self._pages:
            page.offer("event", self._line(self._number, event))

    def _missed(self, after: str) -> Iterator[tuple[int, messages.Event]]:
        """Yield the lines after that id; for a new page, the last line of each of the latest events."""
        epoch, _, number = after.partition("-")
        if epoch == self._epoch and number.isdecimal() and len(number) <= MAX_DIGITS:
            yield from (line for line in self._events if line[0] > int(number))
            return
        last = {event.id: (number, event) for number, event in self._events}
        yield from sorted(last.values(), key=lambda line: line[0])[-FIRST:]

    def _line(self, number: int, event: messages.Event) -> bytes:
        return b"id: %s-%d\n" % (self._epoch.encode(), number) + _message(event)


def _kind(news: News) -> str:
    """Return the lane for a message; empty if pages do not need it."""
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
    """Encode a message as https://html.spec.whatwg.org/multipage/server-sent-events.html defines it."""
    if isinstance(news, Disconnected):
        data = json.dumps({"type": "disconnected", "why": news.why}).encode()
    else:
        data = messages.encode(news).rstrip()
    return b"data: " + data + b"\n\n"
