"""The page in the browser as a sink: a program beside the daemon, which is started again whenever it ends."""

import logging
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from listener import messages
from listener.base import addresses, paths
from listener.base.backoff import Backoff
from listener.base.credentials import MIN_TOKEN_CHARS
from listener.base.incidents import IncidentLog
from listener.base.requirements import Requirements
from listener.base.schema import Meta
from listener.errors import ConfigError
from listener.routing.sink import BaseSink, SinkConfig

log = logging.getLogger(__name__)

FIRST_WAIT_S, LAST_WAIT_S = 1.0, 60.0
STEADY_S = 60.0  # after running this long it is started again with the first wait
STOP_S = 1.5  # how long it may take to end
EXAMPLE = "127.0.0.1:8787"


class WebConfig(SinkConfig, frozen=True):
    """A page in the browser."""

    address: Annotated[
        str, Meta(description="where to serve it; any address but loopback needs token_file; port 0: any free port")
    ] = EXAMPLE
    token_file: Annotated[str, Meta(description="file with a token that browsers must show; empty: none")] = ""
    names: Annotated[
        tuple[str, ...], Meta(description="host names by which browsers reach it, for example through a proxy")
    ] = ()
    connect: Annotated[str, Meta(description="the daemon's socket, as unix:PATH; empty: the usual one")] = ""
    config: Annotated[
        str, Meta(description="configuration that says where the history is; empty: that of the daemon")
    ] = ""


class Web(BaseSink):
    """Keeps the page's program running.

    The program gets its events from the control socket, so that nothing a browser does can harm the daemon.
    """

    Config = WebConfig

    def __init__(self, config: WebConfig, hello: messages.Hello) -> None:
        require_libraries("sink web")
        self._config = config
        self._address = addresses.parse_listen_address(
            config.address, "web.address", EXAMPLE, guarded=bool(config.token_file)
        )
        self._own = str(paths.expanded(config.config)) if config.config else ""
        self._of_daemon = Path(hello.config)
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._incidents = IncidentLog("sink web", log)

    @property
    def requirements(self) -> Requirements:
        secrets = {"token_file": self._config.token_file} if self._config.token_file else {}
        reads = {"config": Path(self._own)} if self._own else {}
        return Requirements(binds=(self._address,), secrets=secrets, secret_min_chars=MIN_TOKEN_CHARS, reads=reads)

    def open(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._supervise, name="web", daemon=True)
            self._thread.start()

    def on_hello(self, hello: messages.Hello) -> None:
        """Use the daemon's new configuration at the next start."""
        self._of_daemon = Path(hello.config)

    def emit(self, event: messages.Event) -> None:
        """Do nothing: the page gets its events from the socket."""

    def close(self) -> None:
        self._closed.set()
        if self._process is not None:
            self._process.terminate()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def _supervise(self) -> None:
        backoff = Backoff(FIRST_WAIT_S, LAST_WAIT_S)
        while not self._closed.is_set():
            began = time.monotonic()
            why = self._run()
            if time.monotonic() - began > STEADY_S:
                backoff.succeeded()
            if self._closed.is_set():
                return
            self._incidents.report(f"{why}; starting it again", why)
            self._closed.wait(backoff.failed())

    def _run(self) -> str:
        """Run the program until it ends, and return why it did. It ends with its standard input, so with the daemon."""
        try:
            process = subprocess.Popen(
                self._argv(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C in a terminal is for the daemon
            )
        except OSError as err:
            return f"the program of the page cannot be run ({err.strerror})"
        with process:
            self._process = process
            if self._closed.is_set():
                process.terminate()
            error = _error(process)
        self._process = None
        return f"the program of the page has ended: {error or f'status {process.returncode}'}"

    def _argv(self) -> list[str]:
        config = self._config
        flags = ["--address", config.address, "--for-daemon"]
        flags += ["--page-token-file", config.token_file] if config.token_file else []
        flags += ["--connect", config.connect] if config.connect else []
        file = self._own or (str(self._of_daemon) if self._of_daemon.is_file() else "")  # a pipe cannot be read twice
        flags += ["--config", file] if file else []
        flags += [flag for name in config.names for flag in ("--name", name)]
        # -P: the daemon's working directory must not decide what the program imports
        return [sys.executable, "-P", "-m", "listener", "web", *flags]


def require_libraries(who: str) -> None:
    """Check that the libraries of the page are installed.

    Raises:
        ConfigError: They are not.
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise ConfigError(
            f"{who} needs starlette and uvicorn", code="web-libraries", remedy="Run: pip install 'listener[web]'"
        )


def _error(process: "subprocess.Popen[bytes]") -> str:
    """Log what a program prints until it ends; return its error message, or else its last line."""
    assert process.stderr
    last = ""
    for line in process.stderr:
        text = line.decode(errors="replace").strip()
        log.debug("web: %s", text)
        if not last.startswith("listener: "):
            last = text
    return last.removeprefix("listener: ")
