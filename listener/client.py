"""A client of a running daemon's socket: what `listener tail` and `listener watch` read."""

import logging
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from listener import messages
from listener.base import addresses, paths
from listener.base.schema import nearest
from listener.errors import ConfigError, SinkError

log = logging.getLogger(__name__)

ANSWER_S = 5.0  # a daemon that has not greeted by then is hung
NOBODY = "there is no daemon to ask just now"
START_ONE = "start one with `listener run`, or `systemctl start listener`"
JOIN = "join its group, as by `sudo usermod -aG listener $USER`, and log in again; or start one of your own"

Address = Path | tuple[str, int]


class Unanswered(SinkError):
    """Nobody answers just now; somebody may later."""


class NoDaemon(Unanswered):
    """Nobody is there to connect to."""


class NotLetIn(SinkError):
    """There is a place for a daemon, and this user may not look whether one is there."""


class Client:
    """A connection to a daemon: `unix:PATH`, `tcp:HOST:PORT`, or without an address where daemons usually are.

    The token is for a daemon that asks those for it who come by TCP; nobody else is shown it.
    """

    def __init__(self, address: str | None = None, token: str = "") -> None:
        self._token = token
        self._addresses: list[Address] = [_parse(address)] if address else [*paths.sockets()]
        self._connection: socket.socket | None = None
        self._closed = False

    def receive(
        self,
        subscribe: Sequence[messages.Topic] = ("event",),
        labels: Sequence[str] | None = None,
        replay: int = 0,
        *,
        patience_s: float | None = None,
    ) -> Iterator[messages.Message]:
        """The daemon's Hello, then what was asked for, until the daemon stops or `close` is called.

        With `patience_s`, SinkError where nothing has come for so long; whoever asks for status hears once a second.
        SinkError where no daemon is there or it refuses; ConfigError for a label that it does not know and
        for a negative replay.
        """
        asked = messages.Subscribe(
            subscribe=list(subscribe), labels=None if labels is None else list(labels), replay=replay
        )
        self._connection = _connect(self._addresses)
        if self._closed:  # while it connected
            self.close()
        with self._connection, self._connection.makefile("rb") as lines:
            hello = self._greeted(self._connection, lines)
            _check(asked, hello)
            self._connection.settimeout(patience_s)
            yield hello
            yield from _answers(self._connection, lines, asked)

    def ask(self, subscribe: Sequence[messages.Topic]) -> None:
        """Have `messages`, once it has begun, go on with other topics; for any thread."""
        if self._connection is not None:
            try:
                self._connection.sendall(messages.encode(messages.Subscribe(subscribe=list(subscribe))))
            except OSError as err:
                log.debug("the connection has ended, which `messages` says: %s", err)

    def send(self, command: messages.Command) -> None:
        """Have the daemon do something while `messages` runs: its State or Refusal comes among them. For any thread."""
        try:
            if self._connection is not None:
                self._connection.sendall(messages.encode(command))
        except OSError as err:
            raise SinkError(NOBODY) from err

    def daemon(self) -> tuple[int, int]:
        """Process and user at the other end, while `messages` runs. SinkError where that cannot be told."""
        if self._connection is None:
            raise SinkError(NOBODY)
        if self._connection.family != socket.AF_UNIX:
            raise SinkError("the daemon is reached by TCP, as one on another machine; `ssh -t` to it, and watch there")
        try:
            told = self._connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError as err:  # the connection has ended
            raise SinkError(NOBODY) from err
        process, user, _group = struct.unpack("3i", told)
        return process, user

    def command(self, command: messages.Command) -> messages.State:
        """Have the daemon do something; its state afterwards. ConfigError where it refuses, SinkError as above."""
        with _connect(self._addresses) as connection, connection.makefile("rb") as lines:
            self._greeted(connection, lines)
            try:
                connection.sendall(messages.encode(command))
                for message in _decoded(lines):
                    if isinstance(message, messages.Refusal | messages.Error):
                        raise ConfigError(f"the daemon refused: {message.message}")
                    if isinstance(message, messages.State):
                        return message
            except OSError as err:
                raise SinkError(f"the daemon does not answer ({err}); see its log") from err
        raise SinkError("the daemon ended the connection without an answer; see its log")

    def _greeted(self, connection: socket.socket, lines: Iterable[bytes]) -> messages.Hello:
        """The daemon's greeting, once it has been shown the token."""
        if self._token and connection.family != socket.AF_UNIX:
            with _breaking():
                connection.sendall(messages.encode(messages.Token(token=self._token)))
        return _greeting(lines)

    def close(self) -> None:
        """End `messages`, from any thread and before it has begun."""
        self._closed = True
        if self._connection is not None:
            try:
                self._connection.shutdown(socket.SHUT_RDWR)
            except OSError as err:
                log.debug("the connection had ended before: %s", err)


def _parse(address: str) -> Address:
    kind, _, place = address.partition(":")
    if kind == "unix" and place:
        return paths.expanded(place)
    host, _, port = place.rpartition(":")
    if kind == "tcp" and host and port.isdecimal() and int(port) <= 65_535:
        return host.strip("[]"), int(port)
    raise ConfigError(f"{address!r} is no address of a daemon; write unix:PATH or tcp:HOST:PORT")


def _connect(places: Sequence[Address]) -> socket.socket:
    """The first that answers. NoDaemon, with what each said, where none does; NotLetIn where one may."""
    refusals, closed = [], []
    for address in places:
        try:
            return _connected(address)
        except PermissionError:
            closed.append(_spelled(address))
        except (OSError, UnicodeError) as err:  # a host like `a..b` can be no name
            refusals.append(f"{_spelled(address)}: {getattr(err, 'strerror', None) or err}")
    if closed:
        raise NotLetIn(f"{closed[0]} is closed to this user; {JOIN}")
    raise NoDaemon(f"no daemon is running ({'; '.join(refusals)}); {START_ONE}")


def _connected(address: Address) -> socket.socket:
    if not isinstance(address, Path):
        connection = socket.create_connection(address, ANSWER_S)
        addresses.notice_the_gone(connection)
        return connection
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(ANSWER_S)
        connection.connect(str(address))
    except OSError:
        connection.close()
        raise
    return connection


def _spelled(address: Address) -> str:
    return f"unix:{address}" if isinstance(address, Path) else f"tcp:{address[0]}:{address[1]}"


def _greeting(lines: Iterable[bytes]) -> messages.Hello:
    try:
        first = next(iter(_decoded(lines)), None)
    except OSError as err:
        raise Unanswered(f"the daemon does not answer ({err}); see its log, and restart it") from err
    if first is None:
        raise Unanswered("the daemon ended the connection at once; it may be stopping, see its log")
    if isinstance(first, messages.Error):
        raise SinkError(f"the daemon refused: {first.message}")
    if not isinstance(first, messages.Hello):
        raise SinkError("what answers there is no listener; name the socket of one, as unix:PATH or tcp:HOST:PORT")
    if first.v != messages.PROTOCOL:
        raise SinkError(
            f"the daemon speaks version {first.v} of the protocol, this is {messages.PROTOCOL}; update the older"
        )
    return first


def _check(asked: messages.Subscribe, hello: messages.Hello) -> None:
    if asked.replay < 0:
        raise ConfigError(f"replay is {asked.replay}; give 0 or more")
    for label in asked.labels or ():
        if label not in hello.labels:
            raise ConfigError(f"the daemon's model has no label {label!r}{nearest(label, hello.labels)}")


def _answers(
    connection: socket.socket, lines: Iterable[bytes], asked: messages.Subscribe
) -> Iterator[messages.Message]:
    """What the daemon sends from its Ack on: before that it sends every event, and we may have asked for fewer."""
    subscribed = False
    with _breaking():
        connection.sendall(messages.encode(asked))
    for message in _decoded(_arriving(lines)):
        if isinstance(message, messages.Error):
            raise SinkError(f"the daemon ended the connection: {message.message}")
        if subscribed:
            yield message
        subscribed = subscribed or isinstance(message, messages.Ack)


def _arriving(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines. Only what happens in reading them is the connection's; who takes them may fail for other reasons."""
    coming = iter(lines)
    while True:
        with _breaking():
            line = next(coming, None)
        if line is None:
            return
        yield line


@contextmanager
def _breaking() -> Iterator[None]:
    """SinkError where the connection breaks."""
    try:
        yield
    except TimeoutError as err:
        raise SinkError("the daemon has said nothing for long; it hangs, or the network does") from err
    except OSError as err:
        raise SinkError(f"the connection broke ({err.strerror or err}); is the daemon still running?") from err


def _decoded(lines: Iterable[bytes]) -> Iterator[messages.Message]:
    for line in lines:
        try:
            yield messages.decode(line)
        except ValueError as err:
            log.debug("a newer daemon's line is passed over: %s", err)
