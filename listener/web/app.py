"""The page and what it asks for, over HTTP."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from listener import messages
from listener.client import Client
from listener.doctor.finding import Finding
from listener.errors import ConfigError, ListenerError
from listener.storage.history import Query
from listener.web.auth import AccessControl
from listener.web.daemon_link import DaemonLink, News
from listener.web.history_api import HistoryApi, question, zone
from listener.web.hub import Hub, Seat

PAGE = Path(__file__).parent / "page"
COMMAND_BYTES = 64 * 1024

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Backends:
    """What the page is of: how to reach the daemon, the history's file, the doctor."""

    connect: Callable[[], Client]
    history: Callable[[], Path]
    examine: Callable[[], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class WebApp:
    """What is served, and what lets the pages go that are open: their streams have no end of their own."""

    application: ASGIApp
    let_go: Callable[[], None]


def make(behind: Backends, names: Iterable[str] = (), token: bytes = b"") -> WebApp:
    """The site, guarded. It attaches to the daemon when it is started."""
    web = _Web(behind)
    return WebApp(AccessControl(web.application(), tuple(names), token), web.let_go)


class _Web:
    def __init__(self, behind: Backends) -> None:
        self._behind, self._archive = behind, HistoryApi(behind.history)
        self._link = DaemonLink(behind.connect, self._hear)
        self._hub = Hub(lambda looking: self._link.look(looking=looking))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._examining = False

    def application(self) -> Starlette:
        routes = [
            Route("/", _page("index.html")),
            Route("/login", _page("login.html")),
            Mount("/page", StaticFiles(directory=PAGE)),
            Route("/api/stream", _spoken(self._stream)),
            Route("/api/command", _spoken(self._command), methods=["POST"]),
            Route("/api/history", _spoken(self._asked(self._archive.page))),
            Route("/api/counts", _spoken(self._counts)),
            Route("/api/marks", _spoken(self._asked(self._archive.marks))),
            Route("/api/clips/{event_id}", _spoken(self._clip)),
            Route("/api/doctor", _spoken(self._doctor), methods=["POST"]),
        ]
        return Starlette(routes=routes, lifespan=self._alive)

    @asynccontextmanager
    async def _alive(self, _application: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        self._link.open()
        yield
        self._link.close()

    def let_go(self) -> None:
        """End every stream. Called by the loop's thread."""
        self._hub.close()

    def _hear(self, news: News) -> None:
        """Called by the link's thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hub.publish, news)

    async def _stream(self, request: Request) -> Response:
        """Everything as it happens. What a browser has seen of the events it says by itself when it comes back."""
        after = request.headers.get("last-event-id") or request.query_params.get("after", "")
        seat = self._hub.join(after)
        if seat is None:
            return JSONResponse({"error": "too many pages are open; close some"}, 503)
        return _Stream(_seated(seat), "text/event-stream", partial(self._hub.leave, seat))

    async def _command(self, request: Request) -> Response:
        body = await _body(request)
        try:
            command = messages.decode_command(body)
        except ValueError as err:
            raise ConfigError(str(err)) from err
        state = await run_in_threadpool(self._link.command, command)
        return Response(messages.encode(state), media_type="application/json")

    def _asked(self, answer: Callable[[Query], object]) -> Handler:
        """The answer to a question about the history, found in a thread."""

        async def handler(request: Request) -> Response:
            return JSONResponse(await run_in_threadpool(answer, _question(request)))

        return handler

    async def _counts(self, request: Request) -> Response:
        """By the clocks of whoever asks: the page's days are its browser's."""
        clocks = zone(request.query_params.get("zone", ""))
        return JSONResponse(await run_in_threadpool(self._archive.counts, _question(request), clocks))

    async def _clip(self, request: Request) -> Response:
        path = await run_in_threadpool(self._archive.recording, request.path_params["event_id"])
        return FileResponse(path, media_type="audio/flac")

    async def _doctor(self, request: Request) -> Response:  # noqa: ARG002
        """Findings, a line each, as they come. One examination at a time: a device is opened by one."""
        if self._examining:
            raise ConfigError("the doctor is looking already; wait for it to be done")
        self._examining = True
        found = SimpleQueue[Finding | None]()
        threading.Thread(target=self._examine, args=(found,), name="doctor", daemon=True).start()
        return StreamingResponse(iterate_in_threadpool(_lines(found)), media_type="application/x-ndjson")

    def _examine(self, found: "SimpleQueue[Finding | None]") -> None:
        """To its end, whether or not the page still waits: its checks cannot be called back."""
        try:
            for finding in self._behind.examine():
                found.put(finding)
        finally:
            self._examining = False
            found.put(None)


class _Stream(StreamingResponse):
    """One that says when it is over, however it ends: a generator's own `finally` is run only where it was begun,
    and the browser may be gone before.
    """

    def __init__(self, content: AsyncIterator[bytes], media_type: str, over: Callable[[], None]) -> None:
        super().__init__(content, media_type=media_type)
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._over()


def _lines(found: "SimpleQueue[Finding | None]") -> Iterator[bytes]:
    while (finding := found.get()) is not None:
        yield json.dumps(asdict(finding)).encode() + b"\n"


async def _seated(seat: Seat) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    async for message in seat.messages():
        yield message


def _page(name: str) -> Handler:
    async def handler(request: Request) -> Response:  # noqa: ARG001
        return FileResponse(PAGE / name, headers={"Cache-Control": "no-cache"})

    return handler


def _spoken(handler: Handler) -> Handler:
    """What goes wrong is said in words, in an answer."""

    async def spoken(request: Request) -> Response:
        try:
            return await handler(request)
        except ConfigError as err:
            return JSONResponse({"error": str(err)}, 400)
        except ListenerError as err:
            return JSONResponse({"error": str(err)}, 503)

    return spoken


def _question(request: Request) -> Query:
    asked = request.query_params
    return question(asked, asked.getlist("label"), asked.getlist("source"))


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > COMMAND_BYTES:
            raise ConfigError("no command is so long")
    return body
