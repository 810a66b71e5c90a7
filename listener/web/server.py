"""The HTTP server of the page."""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from listener.base import addresses
from listener.errors import ConfigError, SinkError
from listener.web.app import WebApp
from listener.web.auth import PROVEN

SHUTDOWN_S = 1  # for requests that are being answered
CONNECTIONS = 256
EXAMPLE = "127.0.0.1:8787"


@contextmanager
def listening(address: str, *, guarded: bool) -> Iterator[tuple[socket.socket, str]]:
    """Open a socket at an address.

    Args:
        address: Host and port; port 0 for any that is free.
        guarded: Whether a token is asked for; if not, the address must be one of loopback.

    Yields:
        The socket, and the URL of the page.

    Raises:
        ConfigError: The address is malformed, or lets other machines in without a token.
        SinkError: It is not possible to listen there.
    """
    host, port = found = addresses.parse_address(address, "the page's address", EXAMPLE)
    if not addresses.is_loopback(found) and not guarded:
        raise ConfigError(
            f"the page's address: {address} is open to other machines",
            code="web-address-open",
            remedy="Set a token file, or listen at loopback behind a reverse proxy that asks for a password.",
        )
    try:
        server = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as err:
        why = os.strerror(err.errno) if err.errno else str(err)  # str(err) repeats the address
        raise SinkError(
            f"the page cannot be served at {address} ({why})", code="web-address", remedy="Choose another address."
        ) from err
    with server:
        addresses.enable_keepalive(server)
        port = server.getsockname()[1]
        yield server, f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class WebServer(uvicorn.Server):
    """Serves an application until `should_exit` is set."""

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams first: uvicorn would wait for them in vain."""
        self._end_streams()
        await super().shutdown(sockets)


class HttpConnection(H11Protocol):
    """A connection that cannot keep others out.

    It is closed if it sends no whole request in time or does not read its answer. uvicorn's own `timeout_keep_alive`
    covers only the time between an answer and the first byte after it. When there are too many connections, those
    that were not allowed anything yet go first, from the address that has most of them.

    Attributes:
        request_s: A connection is closed if no whole request arrives in this time,
        blocked_s: or if its client does not read for this time.
    """

    request_s = 10.0
    blocked_s = 20.0
    _made_at = 0.0
    _was_proven = False  # by an earlier request
    _timer: asyncio.TimerHandle | None = None
    _blocked: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room, and expect a request."""
        super().connection_made(transport)
        self._made_at = self.loop.time()
        if len(self.connections) > CONNECTIONS:
            self._victim().transport.abort()
        self._expect_request()

    def on_response_complete(self) -> None:
        """Expect the next request."""
        self._was_proven = self._is_proven()
        self._expect_request()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop both timers."""
        for timer in (self._timer, self._blocked):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the client some time to read."""
        super().pause_writing()
        self._blocked = self.loop.call_later(self.blocked_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        if self._blocked is not None:
            self._blocked.cancel()

    def _expect_request(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(self.request_s, self._close_unless_asked)

    def _close_unless_asked(self) -> None:
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):  # the head or the announced body is incomplete
            self.transport.close()

    def _victim(self) -> "HttpConnection":
        """Return the connection to close when there are too many: this one if all others were allowed something."""
        unproven = [each for each in self.connections if isinstance(each, HttpConnection) and not each._is_proven()]
        addresses_of = Counter(each._address() for each in unproven)
        most = max(addresses_of, key=lambda address: addresses_of[address])
        others = [each for each in unproven if each is not self and each._address() == most]
        return min(others, key=lambda each: each._made_at, default=self)

    def _is_proven(self) -> bool:
        return self._was_proven or bool(self.scope and self.scope.get(PROVEN))

    def _address(self) -> str:
        return self.client[0] if self.client else ""


def server(app: WebApp, connection: type[HttpConnection] = HttpConnection) -> WebServer:
    """Return a server for the application. It writes no log of requests."""
    return WebServer(
        uvicorn.Config(
            app.application,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            http=connection,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=SHUTDOWN_S,
        ),
        app.end_streams,
    )
