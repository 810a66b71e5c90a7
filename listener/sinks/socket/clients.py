"""The clients of a socket: who comes in, what they say, what they are sent, and how they leave."""

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence

from listener import messages
from listener.base import addresses
from listener.sinks.socket.auth import CROWDED, UNPROVEN, Guard
from listener.sinks.socket.connection import Peer

log = logging.getLogger(__name__)

PEERS = 256  # by the path, and as many by TCP; more would eat the descriptors that sources need to start again
# So many of those who are sent away at the door are told why; whoever floods it is shut out without a word.
LEAVING = 32
LINGER_S = 1.0  # so long a client that is sent away may take to read why
CHUNK_BYTES = 64 * 1024


class Clients:
    """One thread serves them all without ever waiting for one.

    `greeting` gives the line that each is sent first; `heed` does what a line asks for, and its ValueError is told to
    the client, which is then sent away. Both run in that thread.
    """

    def __init__(
        self, name: str, stall_s: float, greeting: Callable[[], bytes], heed: Callable[[Peer, bytes], None]
    ) -> None:
        self._name, self._stall_s, self._greeting, self._heed = name, stall_s, greeting, heed
        self.lock = threading.Lock()  # guards the set of clients and their lanes
        self.failure: Exception | None = None  # of the thread; nobody is served any more
        self._peers: set[Peer] = set()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._peers)

    @property
    def served(self) -> bool:
        """Whether the thread was started, and not closed since."""
        return self._thread is not None

    def serve(self, doors: Sequence[socket.socket], guard: Guard, at_end: Callable[[], None]) -> None:
        """Let clients in by some listening sockets until `close`, which closes these; `at_end` is called then."""
        self._guard, self._at_end = guard, at_end
        self._selector = selectors.DefaultSelector()
        self._bell, ear = socket.socketpair()
        for end in (self._bell, ear):
            end.setblocking(False)
        self._selector.register(ear, selectors.EVENT_READ, lambda: ear.recv(4096))
        for door in doors:
            self._selector.register(door, selectors.EVENT_READ, self._admission(door))
        self._closing.clear()
        self._thread = threading.Thread(target=self._run, args=([*doors, ear],), name="socket", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send what waits, as far as clients take it at once, and let them all go."""
        if self._thread is None:
            return
        self._closing.set()
        self.wake()
        self._thread.join(LINGER_S)
        self._thread = None

    def want(self, kind: str) -> bool:
        """Whether one of them has asked for this kind of line."""
        with self.lock:
            return any(peer.wants(kind) for peer in self._peers)

    def fan_out(self, kind: str, line: bytes, label: str | None = None) -> None:
        """Queue a line for those who asked for it. The caller holds the lock, and wakes the thread after."""
        for peer in self._peers:
            if peer.wants(kind, label):
                peer.offer(kind, line)

    def wake(self) -> None:
        """Have the thread send what was queued."""
        if self._thread is None:
            return
        try:
            self._bell.send(b"!")
        except OSError:  # full: it rings already; closed: nobody is there to wake
            return

    def _run(self, sockets: list[socket.socket]) -> None:
        try:
            self._serve()
        except Exception as err:  # a thread never ends quietly: the next event says it
            self.failure = err
            log.exception("socket %s: its thread failed", self._name)
        finally:
            for peer in list(self._peers):
                self._drop(peer)
            self._selector.close()
            for end in (*sockets, self._bell):
                end.close()
            self._at_end()

    def _serve(self) -> None:
        while not self._closing.is_set():
            for key, _ in self._selector.select(self._patience_s()):
                key.data()
            for peer in list(self._peers):
                self._look_after(peer)
        for peer in list(self._peers):
            self._send(peer)

    def _patience_s(self) -> float | None:
        """Until the next client runs out of time."""
        ends = [end for peer in self._peers if (end := self._deadline(peer)) is not None]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _deadline(self, peer: Peer) -> float | None:
        if peer.leave_by is not None or peer.prove_by is not None:
            return peer.prove_by if peer.leave_by is None else peer.leave_by
        return None if peer.blocked_at is None else peer.blocked_at + self._stall_s

    def _admission(self, door: socket.socket) -> Callable[[], None]:
        def admit() -> None:
            try:
                connection, _ = door.accept()
            except BlockingIOError:  # it has left again
                return
            except OSError as err:
                log.warning("socket %s: a client could not be let in: %s", self._name, err)
                time.sleep(0.1)  # out of descriptors: it will knock again at once, and must not keep us busy
                return
            self._admit(connection)

        return admit

    def _admit(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        peer = Peer(connection)
        local = _is_local(peer)
        if not local:
            addresses.enable_keepalive(connection)
        if local or not self._guard.stop(peer):
            peer.answer(self._greeting())
        with self.lock:
            self._peers.add(peer)
            staying = [other for other in self._peers if other.leave_by is None]
            leaving = len(self._peers) - len(staying)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._hear(peer))
        if (why := _too_many(peer, staying)) and leaving >= LEAVING:
            self._drop(peer)
        elif why:
            self._dismiss(peer, why)

    def _hear(self, peer: Peer) -> None:
        try:
            received = peer.connection.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._drop(peer)
            return
        if not received:
            peer.gone = True
        elif peer.leave_by is None:  # one that is being sent away is read, so that it can read, and not heeded
            self._take(peer, received)

    def _take(self, peer: Peer, received: bytes) -> None:
        try:
            for line in peer.lines(received):
                if peer.prove_by is None:
                    self._heed(peer, line)
                else:
                    self._prove(peer, line)
        except ValueError as err:
            self._dismiss(peer, str(err))

    def _prove(self, peer: Peer, line: bytes) -> None:
        with self.lock:
            if self._guard.lets_in(peer, line):
                peer.answer(self._greeting())

    def _look_after(self, peer: Peer) -> None:
        """Send what can be sent, and see off those whose time is up."""
        self._send(peer)
        if peer not in self._peers:
            return
        deadline = self._deadline(peer)
        if deadline is not None and time.monotonic() >= deadline:
            if peer.leave_by is not None:
                self._drop(peer)
                return
            self._dismiss(peer, peer.why if peer.prove_by is not None else f"nothing was read for {self._stall_s:g} s")
        if peer.gone and peer.leave_by is None and peer.prove_by is None:
            self._see_off(peer)
        if peer.leave_by is not None and not peer.waiting:
            self._finish(peer)
        if peer in self._peers:
            # A blocked one is written to when it can take more; one that has said its last has no more to read.
            interest = selectors.EVENT_WRITE * peer.waiting | selectors.EVENT_READ * (not peer.gone)
            self._await(peer, interest)

    def _await(self, peer: Peer, interest: int) -> None:
        """Nothing, where one that showed no token has gone, and keeps its place until its time is up."""
        waited_for = peer.connection in self._selector.get_map()
        if waited_for and interest:
            self._selector.modify(peer.connection, interest, lambda: self._hear(peer))
        elif waited_for:
            self._selector.unregister(peer.connection)
        elif interest:
            self._selector.register(peer.connection, interest, lambda: self._hear(peer))

    def _send(self, peer: Peer) -> None:
        try:
            while line := self._next_line(peer):
                sent = 0
                try:
                    sent = peer.connection.send(line)
                finally:
                    peer.unsend(line[sent:])
                peer.blocked_at = None
        except BlockingIOError:
            peer.blocked_at = peer.blocked_at or time.monotonic()
        except OSError:
            self._drop(peer)

    def _next_line(self, peer: Peer) -> bytes:
        with self.lock:
            return peer.next_line()

    def _see_off(self, peer: Peer) -> None:
        """Its own side has ended: it still gets what waits."""
        if peer.mid_line:
            self._dismiss(peer, "the last line had no end")
        else:
            peer.leave_by = time.monotonic() + LINGER_S

    def _dismiss(self, peer: Peer, why: str) -> None:
        """Tell it why, and let it go. Nobody else notices."""
        level = logging.INFO if peer.prove_by is None else logging.DEBUG  # whoever guesses must not fill the log
        log.log(level, "socket %s: a client is disconnected: %s (%d lines lost)", self._name, why, peer.lost)
        with self.lock:
            peer.forget()
            peer.prove_by = None
            peer.answer(messages.encode(messages.Error(message=why)))
            peer.leave_by = time.monotonic() + LINGER_S

    def _finish(self, peer: Peer) -> None:
        """All is said. Closing with unread input would make the system throw away what we said, so wait for its end."""
        if peer.gone:
            self._drop(peer)
            return
        try:
            peer.connection.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(peer)

    def _drop(self, peer: Peer) -> None:
        with self.lock:
            if peer not in self._peers:
                return
            self._peers.remove(peer)
        if peer.connection in self._selector.get_map():
            self._selector.unregister(peer.connection)
        peer.connection.close()


def _is_local(peer: Peer) -> bool:
    return peer.connection.family == socket.AF_UNIX


def _too_many(peer: Peer, staying: Sequence[Peer]) -> str:
    """Why there is no room for one more; empty where there is."""
    if sum(_is_local(other) == _is_local(peer) for other in staying) > PEERS:
        return f"there are {PEERS} clients already"
    unproven = sum(other.prove_by is not None for other in staying)
    return CROWDED if peer.prove_by is not None and unproven > UNPROVEN else ""
