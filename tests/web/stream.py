"""Server-sent events, as a test reads them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

Message = dict[str, Any]


class Stream:
    """The messages of one that is open."""

    def __init__(self, answer: httpx.Response) -> None:
        self.last = ""  # the id of the last event
        self._lines = answer.iter_lines()

    def __iter__(self) -> Iterator[Message]:
        for line in self._lines:
            if line.startswith("id: "):
                self.last = line.removeprefix("id: ")
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))

    def until(self, fits: Callable[[Message], object]) -> list[Message]:
        """Everything up to the first that fits."""
        seen = []
        for message in self:
            seen.append(message)
            if fits(message):
                return seen
        raise AssertionError(f"it ended, after {seen}")

    def event(self) -> Message:
        """The next event."""
        return self.until(lambda message: message["type"] == "event")[-1]


@contextmanager
def opened(page: httpx.Client, after: str = "") -> Iterator[Stream]:
    """A stream, by a browser that has seen the events up to `after`."""
    headers = {"Last-Event-ID": after} if after else {}
    with page.stream("GET", "/api/stream", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer)
