"""The control socket: events, levels and status for any number of clients, and their commands."""

import logging
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
from listener.sinks.socket.auth import Authenticator
from listener.sinks.socket.clients import Clients
from listener.sinks.socket.connection import EVENTS, SocketClient

log = logging.getLogger(__name__)


class SocketConfig(Section, frozen=True):
    """The settings of the control socket in [daemon]; an empty path is that of the runtime folder."""

    path: str = ""
    tcp: str = ""
    token_file: str = ""
    stall_s: Annotated[float, Meta(ge=0.05, le=86_400)] = 60.0


class SocketServer(BaseSink):
    """Serves events to clients of a Unix socket, such as `listener tail`, and of a TCP port if one is configured.

    Clients of the Unix socket may send commands. New clients can ask for the latest events again.

    Raises:
        ConfigError: The TCP address is wrong, or lets other machines in without a token.
    """

    Config = SocketConfig

    def __init__(self, config: SocketConfig, hello: messages.Hello) -> None:
        if config.token_file and not config.tcp:
            problem = "token_file is for clients on TCP, and tcp is not set"
            raise ConfigError(problem, code="socket-token-unused", remedy="Set tcp, or remove token_file.")
        self._tcp = listen.tcp_address(config.tcp, guarded=bool(config.token_file)) if config.tcp else None
        self._token_file = config.token_file
        self._default = not config.path
        self.path = paths.expanded(config.path) if config.path else paths.runtime_folder() / "listener.sock"
        self.port: int | None = None  # of TCP, once it is open
        self._hello = hello
        self._history: deque[tuple[str, bytes]] = deque(maxlen=EVENTS)  # label and line; guarded by the clients' lock
        self._clients = Clients(str(self.path), config.stall_s, lambda: messages.encode(self._hello), self._on_line)
        self._controls: Controls | None = None
        self._identity: tuple[int, int] | None = None

    @property
    def requirements(self) -> Requirements:
        secrets = {"token_file": self._token_file} if self._token_file else {}
        binds = (self.path, self._tcp) if self._tcp else (self.path,)
        return Requirements(binds=binds, secrets=secrets, secret_min_chars=credentials.MIN_TOKEN_CHARS)

    def set_controls(self, controls: Controls) -> None:
        """Accept commands, and send every change to clients that asked for status."""
        self._controls = controls
        controls.watch(self._on_state)

    def on_hello(self, hello: messages.Hello) -> None:
        """Greet new clients with it, and send it to those that asked for status."""
        self._hello = hello
        self._offer("status", hello)

    def open(self) -> None:
        if self._clients.is_served:
            return
        authenticator = Authenticator(credentials.token("token_file", self._token_file))
        if self._default:
            listen.own_folder(self.path.parent)
        listening = [listen.bind_unix(self.path)]
        self._identity = listen.identity(self.path)
        try:
            listening += [listen.bind_tcp(self._tcp)] if self._tcp else []
        except SinkError:
            listening[0].close()
            self._remove_file()
            raise
        self.port = listening[1].getsockname()[1] if self._tcp else None
        log.info("events on unix:%s%s", self.path, f" and tcp:{self._tcp[0]}:{self.port}" if self._tcp else "")
        self._clients.serve(listening, authenticator, self._remove_file)

    def emit(self, event: messages.Event) -> None:
        line = messages.encode(event)
        with self._clients.lock:
            self._history.append((event.label, line))
            self._clients.publish("event", line, event.label)
        self._clients.wake()
        if self._clients.failure is not None:
            problem = f"socket {self.path}: its thread failed ({self._clients.failure!r})"
            raise SinkError(problem, code="socket-failed", remedy="Restart the daemon.")

    @property
    def clients(self) -> int:
        """The number of clients."""
        return len(self._clients)

    @property
    def wants_levels(self) -> bool:
        """Whether a client asked for levels."""
        return self._clients.want("level")

    def on_level(self, level: messages.Level) -> None:
        self._offer("level", level)

    def on_status(self, status: messages.Status) -> None:
        self._offer("status", status)

    @property
    def wants_spectrum(self) -> bool:
        """Whether a client asked for the spectrogram."""
        return self._clients.want("spectrum")

    def on_spectrum(self, spectrum: messages.Spectrum) -> None:
        self._offer("spectrum", spectrum)

    def close(self) -> None:
        """Send what clients take at once, and close."""
        if self._controls is not None:
            self._controls.unwatch(self._on_state)
        self._clients.close()

    def _offer(self, kind: str, message: messages.Message) -> None:
        if self._clients.want(kind):
            with self._clients.lock:
                self._clients.publish(kind, messages.encode(message))
            self._clients.wake()

    def _on_state(self, state: messages.State) -> None:
        self._offer("status", state)

    def _on_line(self, client: SocketClient, line: bytes) -> None:
        """Do what a client asks for, or raise ValueError."""
        request = messages.decode_request(line)
        if isinstance(request, messages.Command):
            self._execute(client, request)
        elif isinstance(request, messages.Subscribe):
            self._subscribe(client, request)

    def _remove_file(self) -> None:
        """Remove the socket's file, unless it is that of a successor."""
        if self._identity and listen.identity(self.path) == self._identity:
            self.path.unlink(missing_ok=True)
        self._identity = None

    def _execute(self, client: SocketClient, command: messages.Command) -> None:
        """Answer a command with the new state, or with why it is refused. The Unix socket's mode is its permission."""
        answer: messages.Message
        if self._controls is None or not client.is_local:
            answer = messages.Refusal(message="commands are taken on the Unix socket only")
        else:
            try:
                answer = self._controls.execute(command)
            except ValueError as err:
                answer = messages.Refusal(message=str(err))
        with self._clients.lock:
            client.answer(messages.encode(answer))

    def _subscribe(self, client: SocketClient, asked: messages.Subscribe) -> None:
        _check(asked, self._hello)
        labels = None if asked.labels is None else frozenset(asked.labels)
        with self._clients.lock:
            client.subscribe(frozenset(asked.subscribe), labels)
            newest_first = (line for label, line in reversed(self._history) if client.wants("event", label))
            replayed = list(islice(newest_first, asked.replay))[::-1]
            answer = messages.Ack(subscribe=list(asked.subscribe), labels=asked.labels, replay=len(replayed))
            client.answer(messages.encode(answer))
            for line in replayed:
                client.offer("event", line)


def _check(asked: messages.Subscribe, hello: messages.Hello) -> None:
    """Raise ValueError for a subscription that would be acknowledged and never served."""
    if asked.replay < 0:
        raise ValueError(f"wrong subscription: replay is {asked.replay}. Give 0 or more.")
    for label in asked.labels or ():
        if label not in hello.labels:
            group = hello.groups.get(label)
            remedy = (
                f"It is a group: write its labels, {', '.join(group)}." if group else suggestion(label, hello.labels)
            )
            raise ValueError(f"wrong subscription: there is no label {label!r}. {remedy}")
