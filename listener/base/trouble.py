"""What goes wrong time and again, said once an episode."""

import logging
import threading


class Trouble:
    """Warns of each kind of trouble once, then debugs, until it is over. For any thread."""

    def __init__(self, name: str, log: logging.Logger) -> None:
        self._name, self._log = name, log
        self._said: set[str] = set()
        self._lock = threading.Lock()

    def say(self, what: str, kind: str = "") -> None:
        """Something went wrong; where its words vary from time to time, `kind` says what is alike."""
        with self._lock:
            new = (kind or what) not in self._said
            self._said.add(kind or what)
        self._log.log(logging.WARNING if new else logging.DEBUG, "%s: %s", self._name, what)

    def over(self, what: str = "works again") -> None:
        """It went well; that is worth a line only after trouble."""
        with self._lock:
            was = bool(self._said)
            self._said.clear()
        if was:
            self._log.info("%s: %s", self._name, what)
