"""Events, levels and status for any number of clients of a socket."""

import logging
import socket
from collections import deque
from itertools import islice
from typing import Annotated

from listener import messages
from listener.base import credentials, paths
from listener.base.requirements import Requirements
from listener.base.schema import Meta, Section, suggestion
from listener.errors import ConfigError, SinkError
from listener.routing.controls import Controls
from listener.routing.sink import BaseSink
from listener.sinks.socket import listen
from listener.sinks.socket.auth import Guard
from listener.sinks.socket.clients import Clients
from listener.sinks.socket.connection import EVENTS, Peer

log = logging.getLogger(__name__)


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


class SocketServer(BaseSink):
    """Events on a Unix socket, for `listener tail`, `listener watch` and programs; on TCP as well, if asked.

    One thread serves all clients without ever waiting for one.
    """

    Config = SocketConfig

    def __init__(self, config: SocketConfig, hello: messages.Hello) -> None:
        if config.token_file and not config.tcp:
            raise ConfigError("socket.token_file: is for clients on TCP, and tcp is not set; set both")
        self._tcp = listen.tcp_address(config.tcp, guarded=bool(config.token_file)) if config.tcp else None
        self._token_file = config.token_file
        self._default = not config.path
        self.path = paths.expanded(config.path) if config.path else paths.runtime_folder() / "listener.sock"
        self.port: int | None = None  # of TCP, once it is open
        self._hello = hello
        self._history: deque[tuple[str, bytes]] = deque(maxlen=EVENTS)  # guarded by the clients' lock
        self._clients = Clients(str(self.path), config.stall_s, lambda: messages.encode(self._hello), self._heed)
        self._controls: Controls | None = None
        self._identity: tuple[int, int] | None = None

    @property
    def requirements(self) -> Requirements:
        secrets = {"token_file": self._token_file} if self._token_file else {}
        binds = (self.path, self._tcp) if self._tcp else (self.path,)
        return Requirements(binds=binds, secrets=secrets, secret_min_chars=credentials.MIN_TOKEN_CHARS)

    def set_controls(self, controls: Controls) -> None:
        """Take commands from now on, and tell those who asked for status of every change."""
        self._controls = controls
        controls.watch(self._note_steering)

    def on_hello(self, hello: messages.Hello) -> None:
        """Greet with this from now on, and tell those who asked for status."""
        self._hello = hello
        self._offer("status", hello)

    def open(self) -> None:
        if self._clients.served:
            return
        guard = Guard(credentials.token("socket.token_file", self._token_file))
        if self._default:
            listen.own_folder(self.path.parent)
        doors = [listen.bind_unix(self.path)]
        self._identity = listen.identity(self.path)
        try:
            doors += [listen.bind_tcp(self._tcp)] if self._tcp else []
        except SinkError:
            doors[0].close()
            self._leave()
            raise
        self.port = doors[1].getsockname()[1] if self._tcp else None
        log.info("events on unix:%s%s", self.path, f" and tcp:{self._tcp[0]}:{self.port}" if self._tcp else "")
        self._clients.serve(doors, guard, self._leave)

    def emit(self, event: messages.Event) -> None:
        line = messages.encode(event)
        with self._clients.lock:
            self._history.append((event.label, line))
            self._clients.fan_out("event", line, event.label)
        self._clients.wake()
        if self._clients.failure is not None:
            raise SinkError(f"socket {self.path}: its thread failed ({self._clients.failure!r}); restart the daemon")

    @property
    def clients(self) -> int:
        """How many there are."""
        return len(self._clients)

    @property
    def wants_levels(self) -> bool:
        """Whether a client has asked for levels."""
        return self._clients.want("level")

    def on_level(self, level: messages.Level) -> None:
        self._offer("level", level)

    def on_status(self, status: messages.Status) -> None:
        self._offer("status", status)

    @property
    def wants_spectrum(self) -> bool:
        """Whether a client has asked for the spectrogram."""
        return self._clients.want("spectrum")

    def on_spectrum(self, spectrum: messages.Spectrum) -> None:
        """Offer columns to those who asked for them."""
        self._offer("spectrum", spectrum)

    def close(self) -> None:
        """Send what waits, as far as clients take it at once, and go."""
        if self._controls is not None:
            self._controls.unwatch(self._note_steering)
        self._clients.close()

    def _offer(self, kind: str, message: messages.Message) -> None:
        if self._clients.want(kind):
            with self._clients.lock:
                self._clients.fan_out(kind, messages.encode(message))
            self._clients.wake()

    def _note_steering(self, state: messages.State) -> None:
        self._offer("status", state)

    def _heed(self, peer: Peer, line: bytes) -> None:
        """What a client asks for in a line; ValueError where that is nothing that can be asked for."""
        request = messages.decode_request(line)
        if isinstance(request, messages.Command):
            self._obey(peer, request)
        elif isinstance(request, messages.Subscribe):
            self._subscribe(peer, request)

    def _leave(self) -> None:
        """Take the socket's file away, unless it is a successor's already."""
        if self._identity and listen.identity(self.path) == self._identity:
            self.path.unlink(missing_ok=True)
        self._identity = None

    def _obey(self, peer: Peer, command: messages.Command) -> None:
        """Do it and answer with the state, or with why not. Whoever may open the Unix socket may command."""
        answer: messages.Message
        if self._controls is None or peer.connection.family != socket.AF_UNIX:
            answer = messages.Refusal(message="commands are taken on the Unix socket only")
        else:
            try:
                answer = self._controls.obey(command)
            except ValueError as err:
                answer = messages.Refusal(message=str(err))
        with self._clients.lock:
            peer.answer(messages.encode(answer))

    def _subscribe(self, peer: Peer, asked: messages.Subscribe) -> None:
        _check(asked, self._hello)
        labels = None if asked.labels is None else frozenset(asked.labels)
        with self._clients.lock:
            peer.ask(frozenset(asked.subscribe), labels)
            newest_first = (line for label, line in reversed(self._history) if peer.wants("event", label))
            replayed = list(islice(newest_first, asked.replay))[::-1]
            answer = messages.Ack(subscribe=list(asked.subscribe), labels=asked.labels, replay=len(replayed))
            peer.answer(messages.encode(answer))
            for line in replayed:
                peer.offer("event", line)


def _check(asked: messages.Subscribe, hello: messages.Hello) -> None:
    """ValueError for what would be acknowledged and never come. A name that is a label and a group is the label."""
    if asked.replay < 0:
        raise ValueError(f"this is no subscription (replay is {asked.replay}; give 0 or more)")
    for label in asked.labels or ():
        if label not in hello.labels:
            group = hello.groups.get(label)
            remedy = (
                f"It is a group: write its labels, {', '.join(group)}." if group else suggestion(label, hello.labels)
            )
            raise ValueError(f"this is no subscription (there is no label {label!r}). {remedy}")
