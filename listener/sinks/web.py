"""The page in the browser, as a program beside the daemon, started again whenever it ends."""

import logging
import subprocess
import sys
import threading
import time
from collections import deque
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from listener import messages
from listener.base import addresses, paths
from listener.base.credentials import SHORTEST
from listener.base.requirements import Requirements
from listener.base.schema import Meta, Section
from listener.errors import ConfigError
from listener.routing.sink import BaseSink

log = logging.getLogger(__name__)

FIRST_DELAY_S, LAST_DELAY_S = 1.0, 60.0
STEADY_S = 60.0  # one that ran so long starts again with the first delay
ENDING_S = 1.5  # it may take so long to end


class WebConfig(Section, frozen=True):
    """The page in the browser."""

    address: Annotated[
        str, Meta(description="where it is served; another address than loopback needs token_file; port 0: any")
    ] = "127.0.0.1:8787"
    token_file: Annotated[str, Meta(description="file with a token that browsers must show; empty: none")] = ""
    names: Annotated[
        tuple[str, ...], Meta(description="names by which browsers reach it, beside its address, as a proxy's")
    ] = ()
    connect: Annotated[str, Meta(description="the daemon, as unix:PATH; empty: its control socket")] = ""
    config: Annotated[str, Meta(description="which configuration says where the history is; empty: the daemon's")] = ""


class Web(BaseSink):
    """A page in the browser, with what is heard and what was. Its program is no part of the one that listens.

    It has the daemon's events by the socket sink, and no harm comes to the daemon by whatever a browser does.
    """

    Config = WebConfig

    def __init__(self, config: WebConfig, hello: messages.Hello) -> None:
        demand_libraries("sink web:")
        self._config = config
        self._address = addresses.of_door(
            config.address, "web.address", "127.0.0.1:8787", guarded=bool(config.token_file)
        )
        self._own = str(paths.expanded(config.config)) if config.config else ""
        self._of_daemon = Path(hello.config)
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._said = ""

    @property
    def requirements(self) -> Requirements:
        secrets = {"token_file": self._config.token_file} if self._config.token_file else {}
        reads = {"config": Path(self._own)} if self._own else {}
        return Requirements(binds=(self._address,), secrets=secrets, secret_min_chars=SHORTEST, reads=reads)

    def open(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._look_after, name="web", daemon=True)
            self._thread.start()

    def on_hello(self, hello: messages.Hello) -> None:
        """Have the next start of the page go by another file, where the daemon does."""
        self._of_daemon = Path(hello.config)

    def emit(self, event: messages.Event) -> None:
        """Nothing: the page has its events by the socket."""

    def close(self) -> None:
        self._closed.set()
        if self._process is not None:
            self._process.terminate()
        if self._thread is not None:
            self._thread.join(ENDING_S)

    def _look_after(self) -> None:
        delay_s = FIRST_DELAY_S
        while not self._closed.is_set():
            began = time.monotonic()
            why = self._run()
            if time.monotonic() - began > STEADY_S:
                delay_s = FIRST_DELAY_S
            if self._closed.wait(0):
                return
            log.log(logging.DEBUG if why == self._said else logging.WARNING, "sink web: %s; it is started again", why)
            self._said = why
            self._closed.wait(delay_s)
            delay_s = min(2 * delay_s, LAST_DELAY_S)

    def _run(self) -> str:
        """Have it run until it ends; why it did. Its standard input ends with us, however we end, and so does it."""
        try:
            process = subprocess.Popen(
                self._argv(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C in a terminal is for us
            )
        except OSError as err:
            return f"the page's program cannot be run ({err.strerror})"
        with process:
            self._process = process
            if self._closed.is_set():
                process.terminate()
            last = _heard(process)
        self._process = None
        return f"the page's program has ended: {last or f'status {process.returncode}'}"

    def _argv(self) -> list[str]:
        config = self._config
        flags = ["--address", config.address, "--for-daemon"]
        flags += ["--page-token-file", config.token_file] if config.token_file else []
        flags += ["--connect", config.connect] if config.connect else []
        file = self._own or (str(self._of_daemon) if self._of_daemon.is_file() else "")  # a pipe is read but once
        flags += ["--config", file] if file else []
        flags += [flag for name in config.names for flag in ("--name", name)]
        # -P: where the daemon happens to be started must not decide what the page's program imports.
        return [sys.executable, "-P", "-m", "listener", "web", *flags]


def demand_libraries(who: str) -> None:
    """ConfigError where what the page is made with is not installed."""
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise ConfigError(f"{who} needs starlette and uvicorn; install them with: pip install 'listener[web]'")


def _heard(process: "subprocess.Popen[bytes]") -> str:
    """The last that it says of itself. What it says on the way is for whoever looks closely."""
    assert process.stderr
    last = deque[str](maxlen=1)
    for line in process.stderr:
        last.append(line.decode(errors="replace").strip())
        log.debug("web: %s", last[0])
    return last[0].removeprefix("listener: ") if last else ""
