"""The clients of the control socket: how they connect, what they send, what they are sent, and how they leave."""

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence

from listener import messages
from listener.base import addresses
from listener.base.incidents import IncidentLog
from listener.base.waker import Waker
from listener.sinks.socket.auth import Authenticator, surplus
from listener.sinks.socket.connection import SocketClient

log = logging.getLogger(__name__)

MAX_CLIENTS = 256  # on the Unix socket, and as many on TCP; more would take the descriptors that sources need
MAX_LEAVING = 32  # rejected clients that get an error message; others are closed silently
LINGER_S = 1.0  # how long a client that is disconnected has to read why
CHUNK_BYTES = 64 * 1024
MAX_REASON_CHARS = 200  # in the log


class Clients:
    """Serves all clients in one thread, which never waits for one of them.

    Args:
        name: The socket, for the log.
        stall_s: A client that reads nothing for this long is disconnected.
        greeting: Returns the first line for each client.
        on_line: Called with each line of an authenticated client. Its ValueError is sent to the client, which is then
            disconnected.
    """

    def __init__(
        self, name: str, stall_s: float, greeting: Callable[[], bytes], on_line: Callable[[SocketClient, bytes], None]
    ) -> None:
        self._name, self._stall_s, self._greeting, self._on_line = name, stall_s, greeting, on_line
        self.lock = threading.Lock()  # guards the set of clients and their lanes
        self.failure: Exception | None = None  # ended the thread; nobody is served any more
        self._clients: set[SocketClient] = set()
        self._closing = threading.Event()
        self._incidents = IncidentLog(f"socket {name}", log)
        self._waker: Waker | None = None
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def is_served(self) -> bool:
        """Whether the thread was started, and not closed since."""
        return self._thread is not None

    def serve(
        self, listening: Sequence[socket.socket], authenticator: Authenticator, at_end: Callable[[], None]
    ) -> None:
        """Accept clients until `close`, then close the listening sockets and call `at_end`."""
        self._authenticator, self._at_end = authenticator, at_end
        self._selector, self._waker = selectors.DefaultSelector(), Waker()
        self._selector.register(self._waker, selectors.EVENT_READ, self._waker.clear)
        for each in listening:
            self._selector.register(each, selectors.EVENT_READ, self._acceptor(each))
        self._closing.clear()
        self._thread = threading.Thread(target=self._run, args=([*listening, self._waker],), name="socket", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send what clients take at once, and disconnect them all."""
        if self._thread is None:
            return
        self._closing.set()
        self.wake()
        self._thread.join(LINGER_S)
        self._thread = None

    def want(self, kind: str) -> bool:
        """Tell whether a client asked for this kind of line."""
        with self.lock:
            return any(client.wants(kind) for client in self._clients)

    def publish(self, kind: str, line: bytes, label: str | None = None) -> None:
        """Queue a line for the clients that asked for it. The caller holds the lock, and calls `wake` afterwards."""
        for client in self._clients:
            if client.wants(kind, label):
                client.offer(kind, line)

    def wake(self) -> None:
        """Have the thread send what was queued."""
        if self._waker is not None:
            self._waker.wake()

    def _run(self, sockets: Sequence[socket.socket | Waker]) -> None:
        try:
            self._serve()
        except Exception as err:  # reported with the next event
            self.failure = err
            log.exception("socket %s: its thread failed", self._name)
        finally:
            for client in list(self._clients):
                self._drop(client)
            self._selector.close()
            for each in sockets:
                each.close()
            self._at_end()

    def _serve(self) -> None:
        while not self._closing.is_set():
            for key, _ in self._selector.select(self._timeout_s()):
                key.data()
            for client in list(self._clients):
                self._tend(client)
        for client in list(self._clients):
            self._send(client)

    def _timeout_s(self) -> float | None:
        """Return the time until the next deadline of a client."""
        deadlines = [deadline for client in self._clients if (deadline := self._deadline(client)) is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _deadline(self, client: SocketClient) -> float | None:
        if client.leave_by is not None or client.auth_deadline is not None:
            return client.auth_deadline if client.leave_by is None else client.leave_by
        return None if client.blocked_at is None else client.blocked_at + self._stall_s

    def _acceptor(self, listening: socket.socket) -> Callable[[], None]:
        def accept() -> None:
            try:
                connection, _ = listening.accept()
            except BlockingIOError:  # the client has left again
                return
            except OSError as err:
                self._incidents.report(f"a client cannot be accepted ({err.strerror})", "accept")
                time.sleep(0.1)  # out of descriptors: it is still there, and must not keep the thread busy
                return
            self._admit(connection)

        return accept

    def _admit(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        client = SocketClient(connection)
        if not client.is_local:
            addresses.enable_keepalive(connection)
        if client.is_local or not self._authenticator.challenge(client):
            client.answer(self._greeting())
        with self.lock:
            self._clients.add(client)
            staying = [other for other in self._clients if other.leave_by is None]
            leaving = len(self._clients) - len(staying)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._receive(client))
        if unauthenticated := surplus(staying):
            self._drop(unauthenticated)
        if sum(other.is_local == client.is_local for other in staying) > MAX_CLIENTS:
            if leaving >= MAX_LEAVING:
                self._drop(client)
            else:
                self._dismiss(client, f"there are {MAX_CLIENTS} clients already")

    def _receive(self, client: SocketClient) -> None:
        try:
            received = client.connection.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)
            return
        if not received:
            client.has_ended = True
        elif client.leave_by is None:  # after that its lines are read, but ignored
            self._take(client, received)

    def _take(self, client: SocketClient, received: bytes) -> None:
        try:
            for line in client.lines(received):
                if client.auth_deadline is None:
                    self._on_line(client, line)
                else:
                    self._authenticate(client, line)
        except ValueError as err:
            self._dismiss(client, str(err))

    def _authenticate(self, client: SocketClient, line: bytes) -> None:
        with self.lock:
            if self._authenticator.authenticate(client, line):
                client.answer(self._greeting())

    def _tend(self, client: SocketClient) -> None:
        """Send what can be sent, and disconnect the client if its time is up."""
        self._send(client)
        if client not in self._clients:
            return
        deadline = self._deadline(client)
        if deadline is not None and time.monotonic() >= deadline:
            if client.leave_by is not None:
                self._drop(client)
                return
            stalled = f"nothing was read for {self._stall_s:g} s"
            self._dismiss(client, stalled if client.auth_deadline is None else client.reason)
        if client.has_ended and client.leave_by is None and client.auth_deadline is None:
            self._see_off(client)
        if client.leave_by is not None and not client.is_waiting:
            self._finish(client)
        if client in self._clients:
            # Wait to write only to a client that is blocked, and to read only from one that has not ended.
            self._await(
                client, selectors.EVENT_WRITE * client.is_waiting | selectors.EVENT_READ * (not client.has_ended)
            )

    def _await(self, client: SocketClient, interest: int) -> None:
        """Update the selector. An unauthenticated client that disconnected keeps its slot until the deadline."""
        registered = client.connection in self._selector.get_map()
        if registered and interest:
            self._selector.modify(client.connection, interest, lambda: self._receive(client))
        elif registered:
            self._selector.unregister(client.connection)
        elif interest:
            self._selector.register(client.connection, interest, lambda: self._receive(client))

    def _send(self, client: SocketClient) -> None:
        try:
            while line := self._next_line(client):
                sent = 0
                try:
                    sent = client.connection.send(line)
                finally:
                    client.unsend(line[sent:])
                client.blocked_at = None
        except BlockingIOError:
            client.blocked_at = client.blocked_at or time.monotonic()
        except OSError:
            self._drop(client)

    def _next_line(self, client: SocketClient) -> bytes:
        with self.lock:
            return client.next_line()

    def _see_off(self, client: SocketClient) -> None:
        """Send what waits to a client that has ended its side, unless it ended in mid-line."""
        if client.is_mid_line:
            self._dismiss(client, "the last line had no end")
        else:
            client.leave_by = time.monotonic() + LINGER_S

    def _dismiss(self, client: SocketClient, reason: str) -> None:
        """Send the reason, then disconnect."""
        if client.auth_deadline is None:
            what = f"a client was disconnected: {reason[:MAX_REASON_CHARS]} ({client.lost} lines lost)"
            self._incidents.report(what, "disconnected")
        with self.lock:
            client.clear()
            client.auth_deadline = None
            client.answer(messages.encode(messages.Error(message=reason)))
            client.leave_by = time.monotonic() + LINGER_S

    def _finish(self, client: SocketClient) -> None:
        """Wait for its end: closing a socket with unread input would discard what was sent last."""
        if client.has_ended:
            self._drop(client)
            return
        try:
            client.connection.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(client)

    def _drop(self, client: SocketClient) -> None:
        with self.lock:
            if client not in self._clients:
                return
            self._clients.remove(client)
        if client.connection in self._selector.get_map():
            self._selector.unregister(client.connection)
        client.connection.close()
