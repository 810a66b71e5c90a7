"""The one connection to the daemon, for all pages: made again whenever it breaks, told what is looked at."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from listener import messages
from listener.client import Client
from listener.errors import ListenerError

log = logging.getLogger(__name__)

FIRST_DELAY_S, LAST_DELAY_S = 0.5, 5.0
PATIENCE_S = 10.0  # a daemon that says nothing for so long is hung: it owes a status each second
REPLAY = 256  # what a daemon remembers; what we know already is known by its id
ALWAYS: list[messages.Topic] = ["event", "status"]
LOOKED_AT: list[messages.Topic] = [*ALWAYS, "level", "spectrum"]  # they cost the daemon something


@dataclass(frozen=True, slots=True)
class Disconnected:
    """No daemon is attached, and why, with the remedy."""

    why: str


News = messages.Message | Disconnected


class DaemonLink:
    """Reads the daemon in a thread; `tell` gets each message, and `Disconnected` when the connection ends."""

    def __init__(self, connect: Callable[[], Client], tell: Callable[[News], None]) -> None:
        self._connect, self._tell = connect, tell
        self._client: Client | None = None  # while it is attached
        self._wanted, self._asked = ALWAYS, ALWAYS
        self._lock = threading.Lock()  # two must not ask in the middle of each other's line
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End soon; the thread is none that anybody waits for."""
        self._closed.set()
        if self._client is not None:
            self._client.close()

    def look(self, *, looking: bool) -> None:
        """Whether levels and spectrum are wanted from now on."""
        self._wanted = LOOKED_AT if looking else ALWAYS
        self._ask()

    def command(self, command: messages.Command) -> messages.State:
        """Have the daemon do something. ConfigError where it refuses, SinkError where it is not there."""
        return self._connect().command(command)

    def _run(self) -> None:
        delay_s, said = FIRST_DELAY_S, ""
        while not self._closed.is_set():
            why = self._attached()
            if self._client is not None:
                delay_s, self._client = FIRST_DELAY_S, None
            if why != said and not self._closed.is_set():
                log.info("%s", why)
                said = why
            self._tell(Disconnected(why))
            self._closed.wait(delay_s)
            delay_s = min(2 * delay_s, LAST_DELAY_S)

    def _attached(self) -> str:
        """Pass on what the daemon says for as long as it does; why it does not any more."""
        try:
            client = self._connect()
            asked = self._wanted
            for message in client.receive(asked, replay=REPLAY, patience_s=PATIENCE_S):
                if self._client is None:  # it has greeted: from now on it may be asked
                    self._client, self._asked = client, asked
                    self._tell(message)
                    self._tell_state()
                    continue
                self._tell(message)
                if self._closed.is_set():
                    client.close()
                if isinstance(message, messages.Status):  # what was asked while it attached may have been overtaken
                    self._ask()
        except ListenerError as err:
            return str(err)
        except Exception as err:  # whatever a daemon sends, the page goes on
            log.exception("the connection to the daemon failed")
            return f"the connection to the daemon failed ({err!r}); see the log of `listener web`"
        return "the daemon has ended; its log says why"

    def _tell_state(self) -> None:
        """What users have changed: a daemon says it only when it changes."""
        try:
            self._tell(self.command(messages.Command(command="state")))
        except ListenerError as err:
            log.debug("the daemon does not say what was changed: %s", err)

    def _ask(self) -> None:
        with self._lock:
            if self._client is not None and self._asked is not self._wanted:
                self._client.ask(self._wanted)
                self._asked = self._wanted
