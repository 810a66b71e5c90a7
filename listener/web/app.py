"""The page and its HTTP API. All addresses are relative, so that a reverse proxy may serve it under any path."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
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
from listener.errors import ConfigError, ListenerError, SinkError
from listener.storage.history import Query
from listener.tuning.save_result import SaveResult
from listener.web.auth import AccessControl
from listener.web.daemon_link import DaemonLink, News
from listener.web.history_api import HistoryApi, parse_query, time_zone
from listener.web.hub import Hub, PageQueue

PAGE = Path(__file__).parent / "page"
COMMAND_BYTES = 64 * 1024
UNBUFFERED = {"X-Accel-Buffering": "no"}  # nginx would otherwise keep back what is streamed

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Backends:
    """What the page needs from the rest of the program, as functions.

    Attributes:
        connect: Returns a new client of the daemon.
        history: Returns the path of the history database, or raises ConfigError.
        examine: Runs the doctor.
        save: Writes changed thresholds into the configuration of the daemon to which the client is connected.
    """

    connect: Callable[[], Client]
    history: Callable[[], Path]
    examine: Callable[[], Iterable[Finding]]
    save: Callable[[Client, messages.Hello, Mapping[str, float]], SaveResult]


@dataclass(frozen=True, slots=True)
class WebApp:
    """The ASGI application, and a function for the event loop's thread that ends all open streams."""

    application: ASGIApp
    end_streams: Callable[[], None]


def make(backends: Backends, names: Iterable[str] = (), token: bytes = b"") -> WebApp:
    """Return the application behind its access control. It connects to the daemon when the server starts it."""
    web = _Web(backends)
    return WebApp(AccessControl(web.application(), tuple(names), token), web.end_streams)


class _Web:
    def __init__(self, backends: Backends) -> None:
        self._backends, self._history = backends, HistoryApi(backends.history)
        self._link = DaemonLink(backends.connect, self._on_news)
        self._hub = Hub(lambda watched: self._link.set_watched(watched=watched))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._examining = False

    def application(self) -> Starlette:
        routes = [
            Route("/", _page("index.html")),
            Route("/login", _page("login.html")),
            Mount("/page", StaticFiles(directory=PAGE)),
            Route("/api/stream", _with_errors(self._stream)),
            Route("/api/command", _with_errors(self._command), methods=["POST"]),
            Route("/api/save", _with_errors(self._save), methods=["POST"]),
            Route("/api/history", _with_errors(self._queried(self._history.page))),
            Route("/api/counts", _with_errors(self._counts)),
            Route("/api/marks", _with_errors(self._queried(self._history.marks))),
            Route("/api/recordings/{event_id}", _with_errors(self._recording)),
            Route("/api/doctor", _with_errors(self._doctor), methods=["POST"]),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _application: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        self._link.open()
        yield
        self._link.close()

    def end_streams(self) -> None:
        self._hub.close()

    def _on_news(self, news: News) -> None:
        """Hand a message from the link's thread to the event loop."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hub.publish, news)

    async def _stream(self, request: Request) -> Response:
        """Send everything as it happens. A browser that reconnects says which event it received last."""
        after = request.headers.get("last-event-id") or request.query_params.get("after", "")
        queue = self._hub.join(after)
        if queue is None:
            raise SinkError("too many pages are open", code="web-pages", remedy="Close some.")
        return _EventStream(_sent(queue), "text/event-stream", partial(self._hub.leave, queue))

    async def _command(self, request: Request) -> Response:
        body = await _body(request)
        try:
            command = messages.decode_command(body)
        except ValueError as err:
            raise ConfigError(str(err), code="web-command") from err
        state = await run_in_threadpool(self._link.command, command)
        return Response(messages.encode(state), media_type="application/json")

    async def _save(self, request: Request) -> Response:  # noqa: ARG002
        """Write the thresholds that differ from the configuration into it."""
        saved = await run_in_threadpool(self._saved)
        answer = {"path": str(saved.path or ""), "backup": str(saved.backup or ""), "why": saved.why}
        return JSONResponse({**answer, "lines": saved.lines})

    def _saved(self) -> SaveResult:
        connected = self._link.connected
        if connected is None:
            raise SinkError("no daemon is connected", code="web-no-daemon", remedy="Start it with `listener run`.")
        state = self._link.command(messages.Command(command="state"))
        return self._backends.save(*connected, state.thresholds)

    def _queried(self, answer: Callable[[Query], object]) -> Handler:
        """Return a handler that answers a question about the history in a thread."""

        async def handler(request: Request) -> Response:
            return JSONResponse(await run_in_threadpool(answer, _query(request)))

        return handler

    async def _counts(self, request: Request) -> Response:
        """Count by the browser's time zone: its days are those that the page shows."""
        zone = time_zone(request.query_params.get("zone", ""))
        return JSONResponse(await run_in_threadpool(self._history.counts, _query(request), zone))

    async def _recording(self, request: Request) -> Response:
        path = await run_in_threadpool(self._history.recording, request.path_params["event_id"])
        return FileResponse(path, media_type="audio/flac")

    async def _doctor(self, request: Request) -> Response:  # noqa: ARG002
        """Send findings as JSON lines as they come. Only one examination runs at a time, because it opens devices."""
        if self._examining:
            raise ConfigError("the doctor is running already", code="web-doctor-busy", remedy="Wait until it is done.")
        self._examining = True
        found = SimpleQueue[Finding | None]()
        threading.Thread(target=self._examine, args=(found,), name="doctor", daemon=True).start()
        return StreamingResponse(iterate_in_threadpool(_lines(found)), 200, UNBUFFERED, "application/x-ndjson")

    def _examine(self, found: "SimpleQueue[Finding | None]") -> None:
        """Run all checks, even if the page is closed meanwhile: checks cannot be interrupted."""
        try:
            for finding in self._backends.examine():
                found.put(finding)
        finally:
            self._examining = False
            found.put(None)


class _EventStream(StreamingResponse):
    """A stream that calls `on_end` however it ends.

    The `finally` of a generator would not do: it runs only if the generator was started, and the browser may be gone
    before that.
    """

    def __init__(self, content: AsyncIterator[bytes], media_type: str, on_end: Callable[[], None]) -> None:
        super().__init__(content, headers=UNBUFFERED, media_type=media_type)
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()


def _lines(found: "SimpleQueue[Finding | None]") -> Iterator[bytes]:
    while (finding := found.get()) is not None:
        yield json.dumps(asdict(finding)).encode() + b"\n"


async def _sent(queue: PageQueue) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    async for message in queue.messages():
        yield message


def _page(name: str) -> Handler:
    async def handler(request: Request) -> Response:  # noqa: ARG001
        return FileResponse(PAGE / name, headers={"Cache-Control": "no-cache"})

    return handler


def _with_errors(handler: Handler) -> Handler:
    """Answer an error of ours with its text and code."""

    async def handled(request: Request) -> Response:
        try:
            return await handler(request)
        except ListenerError as err:
            status = 400 if isinstance(err, ConfigError) else 503
            return JSONResponse({"error": str(err), "code": err.code}, status)

    return handled


def _query(request: Request) -> Query:
    parameters = request.query_params
    return parse_query(parameters, parameters.getlist("label"), parameters.getlist("source"))


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > COMMAND_BYTES:
            raise ConfigError("the command is too long", code="web-command-long")
    return body
