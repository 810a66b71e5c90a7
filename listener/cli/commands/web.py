"""`listener web`: the page in the browser, beside a running listener."""

import argparse
import logging
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from listener import config as configuration
from listener.base import credentials
from listener.cli import common
from listener.cli.commands import history
from listener.client import Client
from listener.config import Config
from listener.daemon import logs
from listener.daemon.signals import Capture
from listener.doctor import chain, running
from listener.doctor.finding import unfinished
from listener.sinks.web import demand_libraries

if TYPE_CHECKING:
    import uvicorn

log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1:8787"
LISTEN_S = 5.0  # the doctor, where no daemon listens: somebody waits for it


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument(
        "--address", default=ADDRESS, metavar="HOST:PORT", help=f"where the page is served; default: {ADDRESS}"
    )
    parser.add_argument(
        "--page-token-file", default="", metavar="FILE", help="what browsers must show; needed beyond loopback"
    )
    parser.add_argument(
        "--name", action="append", default=[], help="the page is also reached by this name; may be given several times"
    )
    common.add_connect_flags(parser)
    common.add_config_flags(parser)
    parser.add_argument("--for-daemon", action="store_true", help="end with the standard input: the web sink's way")


def main(arguments: argparse.Namespace, capture: Capture) -> int:
    """Serve the page until it is ended."""
    demand_libraries("the page")
    from listener.web import app
    from listener.web import server as door

    config = configuration.load(arguments.config or configuration.find(), arguments.set)
    logs.set_up(config.daemon.log_level)
    token = credentials.token("--page-token-file", arguments.page_token_file)
    behind = app.Backends(
        connect=_connect(arguments, config),
        history=partial(history.there, history.candidates(None, config)),
        examine=lambda: chain.walk(arguments.config, arguments.set, LISTEN_S),
    )
    site = app.make(behind, arguments.name, token)
    with door.listening(arguments.address, guarded=bool(token)) as (listening, url):
        log.info("the page is at %s", url)
        server = door.server(site)
        capture.deliver_to(partial(_stop, server))
        if arguments.for_daemon:
            threading.Thread(target=_await_end, args=(partial(_stop, server),), daemon=True).start()
        server.run(sockets=[listening])
    if unfinished() and not capture.caught:
        os._exit(0)  # as in `listener doctor`: the interpreter must not end a check's thread in a C++ library
    return 0


def _connect(arguments: argparse.Namespace, config: Config) -> Callable[[], Client]:
    address = arguments.connect or running.address(config)
    token = credentials.token("--token-file", arguments.token_file).decode()
    return lambda: Client(address, token)


def _stop(server: "uvicorn.Server") -> None:
    server.should_exit = True


def _await_end(stop: Callable[[], None]) -> None:
    """A daemon that is killed cannot end us, but then its end of the pipe goes."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    stop()
