"""The one connection to the daemon, for all pages."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from listener import messages
from listener.base.backoff import Backoff
from listener.client import Client
from listener.errors import ListenerError

log = logging.getLogger(__name__)

FIRST_WAIT_S, LAST_WAIT_S = 0.5, 5.0
SILENCE_S = 10.0  # a daemon that sends nothing for this long hangs: it owes a status each second
REPLAY = 256  # all that a daemon keeps; the hub drops what it has already
ALWAYS: list[messages.Topic] = ["event", "status"]
WATCHED: list[messages.Topic] = [*ALWAYS, "level", "spectrum"]  # these cost the daemon something


@dataclass(frozen=True, slots=True)
class Disconnected:
    """No daemon is connected.

    Attributes:
        why: The reason and the remedy, in words.
    """

    why: str


News = messages.Message | Disconnected


class DaemonLink:
    """Reads the daemon in a thread, and connects again whenever the connection breaks.

    Args:
        connect: Returns a new client.
        on_news: Called by the thread with each message, and with `Disconnected` when the connection ends.
    """

    def __init__(self, connect: Callable[[], Client], on_news: Callable[[News], None]) -> None:
        self._connect, self._on_news = connect, on_news
        self._client: Client | None = None  # while connected
        self._hello: messages.Hello | None = None
        self._wanted, self._asked = ALWAYS, ALWAYS
        self._lock = threading.Lock()  # so that two threads do not write into each other's line
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    @property
    def connected(self) -> tuple[Client, messages.Hello] | None:
        """The connected client and its daemon's greeting; None while there is no connection."""
        client, hello = self._client, self._hello
        return None if client is None or hello is None else (client, hello)

    def open(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Ask the thread to end; it is not waited for."""
        self._closed.set()
        if self._client is not None:
            self._client.close()

    def set_watched(self, *, watched: bool) -> None:
        """Set whether a page wants levels and spectra."""
        self._wanted = WATCHED if watched else ALWAYS
        self._ask()

    def command(self, command: messages.Command) -> messages.State:
        """Send a command over a connection of its own.

        Raises:
            ConfigError: The daemon refuses it.
            SinkError: The daemon cannot be reached.
        """
        return self._connect().command(command)

    def _run(self) -> None:
        backoff, logged = Backoff(FIRST_WAIT_S, LAST_WAIT_S), ""
        while not self._closed.is_set():
            why = self._read()
            if self._client is not None:
                backoff.succeeded()
                self._client = self._hello = None
            if why != logged and not self._closed.is_set():
                log.info("%s", why)
                logged = why
            self._on_news(Disconnected(why))
            self._closed.wait(backoff.failed())

    def _read(self) -> str:
        """Pass on messages until the connection ends; return why it did."""
        try:
            client = self._connect()
            asked = self._wanted
            for message in client.receive(asked, replay=REPLAY, patience_s=SILENCE_S):
                self._on_news(message)
                if isinstance(message, messages.Hello):
                    self._hello = message
                if self._client is None:  # the first message: from now on the daemon may be asked for other topics
                    self._client, self._asked = client, asked
                    self._report_state()
                if self._closed.is_set():
                    client.close()
                if isinstance(message, messages.Status):  # the wish may have changed while it connected
                    self._ask()
        except ListenerError as err:
            return str(err)
        except Exception as err:  # the page goes on whatever a daemon sends
            log.exception("the connection to the daemon failed")
            return f"the connection to the daemon failed ({err!r}). See the log of `listener web`."
        return "the daemon has stopped. See its log."

    def _report_state(self) -> None:
        """Pass on what users have changed; the daemon sends that only when it changes."""
        try:
            self._on_news(self.command(messages.Command(command="state")))
        except ListenerError as err:
            log.debug("the daemon does not answer `state`: %s", err)

    def _ask(self) -> None:
        with self._lock:
            if self._client is not None and self._asked is not self._wanted:
                self._client.ask(self._wanted)
                self._asked = self._wanted
