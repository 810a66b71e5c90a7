"""Where the page is served: an address of this machine, and the server that answers there."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from listener import addresses
from listener.errors import ConfigError, SinkError
from listener.web.app import Site

PATIENCE_S = 1  # for pages that are open when it ends
CONNECTIONS = 256


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
        port = door.getsockname()[1]
        yield door, f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class Server(uvicorn.Server):
    """Serves a site until `should_exit` is set."""

    def __init__(self, config: uvicorn.Config, let_go: Callable[[], None]) -> None:
        super().__init__(config)
        self._let_go = let_go

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams first: it would wait for them, and then break them off."""
        self._let_go()
        await super().shutdown(sockets)


def server(site: Site) -> Server:
    """What serves it. Its log is ours alone: of requests nothing is written down."""
    return Server(
        uvicorn.Config(
            site.application,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            http="h11",
            ws="none",
            lifespan="on",
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=PATIENCE_S,
        ),
        site.let_go,
    )
