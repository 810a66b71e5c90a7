"""`listener web`: the page for the browser, beside a running listener."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from listener import config as configuration
from listener.base import credentials
from listener.cli import options, save_thresholds
from listener.cli.commands import history
from listener.client import Client
from listener.daemon import logs
from listener.daemon.signals import Capture
from listener.doctor import chain, running
from listener.doctor.finding import unfinished
from listener.sinks.web import require_libraries

if TYPE_CHECKING:
    import uvicorn

log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1:8787"
LISTEN_S = 5.0  # for the doctor where no daemon listens: a user waits for the answer


@click.command()
@click.option("--address", default=ADDRESS, metavar="HOST:PORT", show_default=True, help="Where to serve the page.")
@click.option(
    "--page-token-file", default="", metavar="FILE", help="The token that browsers must show; needed beyond loopback."
)
@click.option("--name", "names", multiple=True, help="Another name by which browsers reach the page. May be repeated.")
@options.connect
@options.config
@click.option("--for-daemon", is_flag=True, hidden=True, help="End with the standard input: for the web sink.")
@click.pass_obj
def command(
    capture: Capture,
    /,
    *,
    address: str,
    page_token_file: str,
    names: Sequence[str],
    connect: str | None,
    token_file: str,
    config: Path | None,
    overrides: Sequence[str],
    for_daemon: bool,
) -> int:
    """Serve a page for the browser: a running listener, and earlier events."""
    require_libraries("the page")
    from listener.web import app
    from listener.web import server as web_server

    read = configuration.load(config or configuration.find(), overrides)
    logs.set_up(read.daemon.log_level)
    token = credentials.token("--page-token-file", page_token_file)
    client = _connector(connect or running.address(read), token_file)
    backends = app.Backends(
        connect=client,
        history=partial(history.there, history.candidates(None, read)),
        examine=lambda: chain.walk(config, list(overrides), LISTEN_S),
        save=lambda client, hello, thresholds: save_thresholds.by_client(client)(hello, thresholds),
    )
    site = app.make(backends, list(names), token)
    with web_server.listening(address, guarded=bool(token)) as (listening, url):
        log.info("the page is at %s", url)
        server = web_server.server(site)
        capture.deliver_to(partial(_stop, server))
        if for_daemon:
            threading.Thread(target=_await_end, args=(partial(_stop, server),), daemon=True).start()
        server.run(sockets=[listening])
    if unfinished() and not capture.caught:
        os._exit(0)  # as in `listener doctor`: the interpreter must not end a check's thread in a C++ library
    return 0


def _connector(address: str | None, token_file: str) -> Callable[[], Client]:
    options.client(address, token_file)  # finds a wrong address or token now
    return lambda: options.client(address, token_file)


def _stop(server: "uvicorn.Server") -> None:
    server.should_exit = True


def _await_end(stop: Callable[[], None]) -> None:
    """Stop when standard input ends: a daemon that is killed cannot end this process, but its pipe closes."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    stop()
