"""Events, levels and status for any number of clients of a socket."""

import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

from listener import credentials, paths, wire
from listener.controls import Controls
from listener.errors import ConfigError, SinkError
from listener.needs import Needs
from listener.schema import Meta, Section
from listener.sinks import socket_doors
from listener.sinks.socket_guard import CROWDED, SHORTEST, UNPROVEN, Guard
from listener.sinks.socket_peer import EVENTS, Peer

log = logging.getLogger(__name__)

PEERS = 256  # more would eat the descriptors that sources need to start again
LEAVING = (
    32  # so many of those who are sent away at the door are told why; whoever floods it is shut out without a word
)
LINGER_S = 1.0  # so long a client that is sent away may take to read why
CHUNK_BYTES = 64 * 1024


class SocketConfig(Section, frozen=True):
    """The socket."""

    path: Annotated[str, Meta(description="empty: listener.sock in the runtime folder")] = ""
    tcp: Annotated[
        str,
        Meta(
            description="also on TCP, as 127.0.0.1:8790; another address than loopback needs token_file; port 0: any; "
            "empty: not"
        ),
    ] = ""
    token_file: Annotated[
        str, Meta(description="file with a token that clients on TCP must show; or the name of a systemd credential")
    ] = ""
    stall_s: Annotated[
        float, Meta(ge=0.05, le=86_400, description="a client that reads nothing for so long is disconnected")
    ] = 60.0


class SocketServer:
    """Events on a Unix socket, for `listener tail`, `listener watch` and programs; on TCP as well, if asked.

    One thread serves all clients without ever waiting for one.
    """

    Config = SocketConfig

    def __init__(self, config: SocketConfig, hello: wire.Hello) -> None:
        if config.token_file and not config.tcp:
            raise ConfigError("socket.token_file: is for clients on TCP, and tcp is not set; set both")
        self._tcp = socket_doors.tcp_address(config.tcp, guarded=bool(config.token_file)) if config.tcp else None
        self._token_file = config.token_file
        self._default = not config.path
        self.path = Path(config.path).expanduser() if config.path else paths.runtime_folder() / "listener.sock"
        self.port: int | None = None  # of TCP, once it is open
        self._stall_s = config.stall_s
        self._hello = wire.encode(hello)
        self._history: deque[tuple[str, bytes]] = deque(maxlen=EVENTS)
        self._peers: set[Peer] = set()
        self._lock = threading.Lock()  # guards the history, the set of peers and their lanes
        self._closing = threading.Event()
        self._failure: Exception | None = None
        self._controls: Controls | None = None
        self._thread: threading.Thread | None = None
        self._identity: tuple[int, int] | None = None

    @property
    def needs(self) -> Needs:
        secrets = {"token_file": self._token_file} if self._token_file else {}
        binds = (self.path, self._tcp) if self._tcp else (self.path,)
        return Needs(binds=binds, secrets=secrets, shortest=SHORTEST)

    def steer(self, controls: Controls) -> None:
        """Take commands from now on, and tell those who asked for status of every change."""
        self._controls = controls
        controls.watch(self._note_steering)

    def greet(self, hello: wire.Hello) -> None:
        """Greet with this from now on, and tell those who asked for status."""
        self._hello = wire.encode(hello)
        self._offer("status", hello)

    def open(self) -> None:
        if self._thread is not None:
            return
        self._guard = Guard(credentials.token("socket.token_file", self._token_file))
        if self._default:
            socket_doors.own_folder(self.path.parent)
        doors = [socket_doors.bind_unix(self.path)]
        self._identity = socket_doors.identity(self.path)
        try:
            doors += [socket_doors.bind_tcp(self._tcp)] if self._tcp else []
        except SinkError:
            self._remove([*doors])
            raise
        self.port = doors[1].getsockname()[1] if self._tcp else None
        log.info("events on unix:%s%s", self.path, f" and tcp:{self._tcp[0]}:{self.port}" if self._tcp else "")
        self._start(doors)

    def emit(self, event: wire.Event) -> None:
        line = wire.encode(event)
        with self._lock:
            self._history.append((event.label, line))
            self._fan_out("event", line, event.label)
        self._wake()
        if self._failure is not None:
            raise SinkError(f"socket {self.path}: its thread failed ({self._failure!r}); restart the daemon")

    @property
    def watched(self) -> bool:
        """Whether a client has asked for levels."""
        with self._lock:
            return any(peer.wants("level") for peer in self._peers)

    def show(self, message: wire.Level | wire.Status) -> None:
        """Offer a meter line to those who asked for it."""
        self._offer("level" if isinstance(message, wire.Level) else "status", message)

    def _note_steering(self, state: wire.State) -> None:
        self._offer("status", state)

    @property
    def pictured(self) -> bool:
        """Whether a client has asked for the spectrogram."""
        with self._lock:
            return any(peer.wants("spectrum") for peer in self._peers)

    def picture(self, spectrum: wire.Spectrum) -> None:
        """Offer columns to those who asked for them."""
        self._offer("spectrum", spectrum)

    def _offer(self, kind: str, message: wire.Message) -> None:
        with self._lock:
            wanted = any(peer.wants(kind) for peer in self._peers)
            if wanted:
                self._fan_out(kind, wire.encode(message))
        if wanted:
            self._wake()

    def close(self) -> None:
        """Send what waits, as far as clients take it at once, and go."""
        if self._thread is None:
            return
        if self._controls is not None:
            self._controls.unwatch(self._note_steering)
        self._closing.set()
        self._wake()
        self._thread.join(LINGER_S)
        self._thread = None

    def _fan_out(self, kind: str, line: bytes, label: str | None = None) -> None:
        for peer in self._peers:
            if peer.wants(kind, label):
                peer.offer(kind, line)

    def _wake(self) -> None:
        if self._thread is None:
            return
        try:
            self._bell.send(b"!")
        except OSError:  # full: it rings already; closed: nobody is there to wake
            return

    def _start(self, doors: list[socket.socket]) -> None:
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

    def _run(self, sockets: list[socket.socket]) -> None:
        try:
            self._serve()
        except Exception as err:  # a thread never ends quietly: the next event says it
            self._failure = err
            log.exception("socket %s: its thread failed", self.path)
        finally:
            for peer in list(self._peers):
                self._drop(peer)
            self._selector.close()
            self._remove([*sockets, self._bell])

    def _remove(self, sockets: list[socket.socket]) -> None:
        for end in sockets:
            end.close()
        if self._identity and socket_doors.identity(self.path) == self._identity:  # else a successor has it
            self.path.unlink(missing_ok=True)
        self._identity = None

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
                log.warning("socket %s: a client could not be let in: %s", self.path, err)
                time.sleep(0.1)  # out of descriptors: it will knock again at once, and must not keep us busy
                return
            self._admit(connection)

        return admit

    def _admit(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        peer = Peer(connection)
        if connection.family == socket.AF_UNIX or not self._guard.stop(peer):
            peer.answer(self._hello)
        with self._lock:
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
            self._heed(peer, received)

    def _heed(self, peer: Peer, received: bytes) -> None:
        try:
            for line in peer.lines(received):
                if peer.prove_by is not None:
                    self._prove(peer, line)
                    continue
                request = wire.decode_request(line)
                if isinstance(request, wire.Command):
                    self._obey(peer, request)
                elif isinstance(request, wire.Subscribe):
                    self._subscribe(peer, request)
        except ValueError as err:
            self._dismiss(peer, str(err))

    def _prove(self, peer: Peer, line: bytes) -> None:
        with self._lock:
            if self._guard.lets_in(peer, line):
                peer.answer(self._hello)

    def _obey(self, peer: Peer, command: wire.Command) -> None:
        """Do it and answer with the state, or with why not. Whoever may open the Unix socket may command."""
        answer: wire.Message
        if self._controls is None or peer.connection.family != socket.AF_UNIX:
            answer = wire.Refusal(message="commands are taken on the Unix socket only")
        else:
            try:
                answer = self._controls.obey(command)
            except ValueError as err:
                answer = wire.Refusal(message=str(err))
        with self._lock:
            peer.answer(wire.encode(answer))

    def _subscribe(self, peer: Peer, asked: wire.Subscribe) -> None:
        labels = None if asked.labels is None else frozenset(asked.labels)
        with self._lock:
            peer.topics, peer.labels = frozenset(asked.subscribe), labels
            newest_first = (line for label, line in reversed(self._history) if peer.wants("event", label))
            replayed = list(islice(newest_first, max(asked.replay, 0)))[::-1]
            answer = wire.Ack(subscribe=list(asked.subscribe), labels=asked.labels, replay=len(replayed))
            peer.answer(wire.encode(answer))
            for line in replayed:
                peer.offer("event", line)

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
        with self._lock:
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
        log.log(level, "socket %s: a client is disconnected: %s (%d lines lost)", self.path, why, peer.lost)
        with self._lock:
            peer.forget()
            peer.prove_by = None
            peer.answer(wire.encode(wire.Error(message=why)))
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
        with self._lock:
            if peer not in self._peers:
                return
            self._peers.remove(peer)
        if peer.connection in self._selector.get_map():
            self._selector.unregister(peer.connection)
        peer.connection.close()


def _too_many(peer: Peer, staying: Sequence[Peer]) -> str:
    """Why there is no room for one more; empty where there is."""
    if len(staying) > PEERS:
        return f"there are {PEERS} clients already"
    unproven = sum(other.prove_by is not None for other in staying)
    return CROWDED if peer.prove_by is not None and unproven > UNPROVEN else ""
