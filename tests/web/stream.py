"""Server-sent events, as a test reads them; and a browser that does not wait for them."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from starlette import types

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
def opened(page: httpx.Client, after: str = "", path: str = "/api/stream") -> Iterator[Stream]:
    """A stream, by a browser that has seen the events up to `after`."""
    headers = {"Last-Event-ID": after} if after else {}
    with page.stream("GET", path, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer)


def asked_and_gone(site: types.ASGIApp, method: str, path: str) -> int:
    """The status of the answer to a browser that takes no more than its head, and is gone then."""
    head: list[types.Message] = []
    host = b"127.0.0.1:8787"

    async def ask() -> None:
        begun = asyncio.Event()

        async def receive() -> types.Message:
            await begun.wait()
            return {"type": "http.disconnect"}

        async def send(part: types.Message) -> None:
            head.append(part)
            begun.set()
            if len(head) == 1:
                await asyncio.sleep(0)  # the connection takes no more for now

        scope: types.Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(b"host", host), (b"origin", b"http://" + host)],
        }
        await asyncio.wait_for(site(scope, receive, send), 20)

    asyncio.run(ask())
    return int(head[0]["status"])
