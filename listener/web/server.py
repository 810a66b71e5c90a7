"""Where the page is served: an address of this machine, and the server that answers there."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from listener.base import addresses
from listener.errors import ConfigError, SinkError
from listener.web.app import WebApp

PATIENCE_S = 1  # for pages that are open when it ends
CONNECTIONS = 256
ASKED_S = 10.0  # a request has come whole within it, or its connection is closed


@contextmanager
def listening(address: str, *, guarded: bool) -> Iterator[tuple[socket.socket, str]]:
    """A socket at the address, and its URL. ConfigError where the address is none, or lets others in unguarded."""
    host, port = found = addresses.parsed(address, "the page's address", "127.0.0.1:8787")
    if not addresses.is_loopback(found) and not guarded:
        raise ConfigError(
            f"{address} lets other machines in; set a token file that they must show the token of, or leave the "
            "address out and have a reverse proxy on this machine ask who they are"
        )
    try:
        door = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as err:
        why = os.strerror(err.errno) if err.errno else str(err)  # else with the address once more
        raise SinkError(f"the page: {address} is not to be had ({why}); choose another address") from err
    with door:
        addresses.notice_the_gone(door)
        port = door.getsockname()[1]
        yield door, f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class WebServer(uvicorn.Server):
    """Serves a site until `should_exit` is set."""

    def __init__(self, config: uvicorn.Config, let_go: Callable[[], None]) -> None:
        super().__init__(config)
        self._let_go = let_go

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams first: it would wait for them, and then break them off."""
        self._let_go()
        await super().shutdown(sockets)


class HttpConnection(H11Protocol):
    """One that is closed where it does not ask: uvicorn would wait for ever, and CONNECTIONS of them are all there are.

    Its own patience, `timeout_keep_alive`, begins with an answer and ends with the next byte.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def on_response_complete(self) -> None:
        self._expect()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._expect_nothing()
        self._late = self.loop.call_later(ASKED_S, self._close_unless_asked)

    def _expect_nothing(self) -> None:
        if self._late is not None:
            self._late.cancel()

    def _close_unless_asked(self) -> None:
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):  # its head, or what it announced, is not all there
            self.transport.close()


def server(site: WebApp) -> WebServer:
    """What serves it. Its log is ours alone: of requests nothing is written down."""
    return WebServer(
        uvicorn.Config(
            site.application,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            http=HttpConnection,
            ws="none",
            lifespan="on",
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=PATIENCE_S,
        ),
        site.let_go,
    )
