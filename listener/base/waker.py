"""Wake a thread that waits in a selector."""

import socket
from contextlib import suppress


class Waker:
    """A socket pair: `wake` makes it readable, and `clear` takes that back. `wake` is for any thread."""

    def __init__(self) -> None:
        self._sender, self._receiver = socket.socketpair()
        self._sender.setblocking(False)
        self._receiver.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._receiver.fileno()

    def wake(self) -> None:
        """Wake the waiting thread, if there is one."""
        with suppress(OSError):  # full: it is awake already; closed: nobody waits
            self._sender.send(b"!")

    def clear(self) -> None:
        """Take all wake-ups so far as done."""
        with suppress(BlockingIOError):
            self._receiver.recv(4096)

    def close(self) -> None:
        """Close both sockets."""
        self._sender.close()
        self._receiver.close()
