"""A client of a running daemon's socket, as `listener tail` and `listener watch` use it."""

import logging
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from listener import messages
from listener.base import addresses, ownership, paths
from listener.base.label_names import resolve_label
from listener.errors import ConfigError, SinkError

log = logging.getLogger(__name__)

ANSWER_S = 5.0  # a daemon that has not greeted by then hangs
LINE_BYTES = 4 * 1024 * 1024  # no daemon sends a longer line
MOST_REPLAY = 1_000_000
START_ONE = "Start one with `listener run`, or `systemctl start listener`."
SEE_LOG = "See its log, and restart it."

Address = Path | tuple[str, int]


class ConnectError(SinkError):
    """No daemon answers now; one may later."""


class NoDaemon(ConnectError):
    """There is nothing to connect to."""


class AccessDenied(SinkError):
    """There is a socket, and this user may not connect to it, or must not trust it."""


class Client:
    """A connection to a daemon.

    Args:
        address: `unix:PATH` or `tcp:HOST:PORT`; without one, the usual places of this machine are tried.
        token: For a daemon on TCP that asks for one. It is never sent over a Unix socket.

    Raises:
        ConfigError: The address is invalid.
    """

    def __init__(self, address: str | None = None, token: str = "") -> None:
        self._token = token
        self._addresses: list[Address] = [_parse(address)] if address else [*paths.sockets()]
        self._is_named = bool(address)
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
        """Subscribe, and yield messages until the daemon stops or `close` is called.

        Args:
            subscribe: The topics.
            labels: Only events of these labels; None for all.
            replay: How many past events to begin with.
            patience_s: How long to wait for a message. A daemon sends its status once a second.

        Yields:
            The daemon's Hello, then the messages.

        Raises:
            ConnectError: No daemon answers.
            SinkError: The daemon refuses, or the connection breaks.
            ConfigError: The daemon does not know a label, or `replay` is out of range.
        """
        if not 0 <= replay <= MOST_REPLAY:
            raise ConfigError(
                f"replay is {replay}", code="client-replay", remedy=f"Give a number from 0 to {MOST_REPLAY}."
            )
        self._connection = self._connect()
        if self._closed:  # while it connected
            self.close()
        with self._connection:
            lines = _Lines(self._connection)
            hello = self._greeted(self._connection, lines)
            known = None if labels is None else [resolve_label(label, hello.labels) for label in labels]
            asked = messages.Subscribe(subscribe=list(subscribe), labels=known, replay=replay)
            yield hello
            with _breaking():
                self._connection.sendall(messages.encode(asked))
            yield from _subscribed(lines, patience_s)

    def ask(self, subscribe: Sequence[messages.Topic]) -> None:
        """Change the topics while `receive` runs. For any thread."""
        if self._connection is not None:
            try:
                self._connection.sendall(messages.encode(messages.Subscribe(subscribe=list(subscribe))))
            except OSError as err:
                log.debug("the connection has ended, which `receive` reports: %s", err)

    def send(self, command: messages.Command) -> None:
        """Send a command while `receive` runs, which yields the State or Refusal. For any thread.

        Raises:
            ConnectError: There is no connection now.
        """
        try:
            if self._connection is not None:
                self._connection.sendall(messages.encode(command))
        except OSError as err:
            raise _not_connected() from err

    def daemon(self) -> tuple[int, int]:
        """The process and the user at the other end, while `receive` runs.

        Raises:
            SinkError: There is no connection now, or the daemon may be on another machine.
        """
        if self._connection is None:
            raise _not_connected()
        if self._connection.family != socket.AF_UNIX:
            raise SinkError(
                "the daemon is connected by TCP and may be on another machine",
                code="client-tcp",
                remedy="Run `listener watch` there, for example by `ssh -t`.",
            )
        try:
            return ownership.peer(self._connection)
        except OSError as err:
            raise _not_connected() from err

    def command(self, command: messages.Command) -> messages.State:
        """Connect, send a command, and return the state after it.

        Raises:
            ConfigError: The daemon refuses the command.
            SinkError: No daemon answers, or the connection breaks.
        """
        with self._connect() as connection:
            lines = _Lines(connection)
            self._greeted(connection, lines)
            with _breaking():
                connection.sendall(messages.encode(command))
            for message in lines.messages(ANSWER_S):
                if isinstance(message, messages.Refusal | messages.Error):
                    raise ConfigError(f"the daemon refused: {message.message}", code="client-refused")
                if isinstance(message, messages.State):
                    return message
        raise SinkError("the daemon closed the connection without an answer", code="client-closed", remedy=SEE_LOG)

    def close(self) -> None:
        """End `receive`, from any thread and before it has begun."""
        self._closed = True
        if self._connection is not None:
            try:
                self._connection.shutdown(socket.SHUT_RDWR)
            except OSError as err:
                log.debug("the connection had ended before: %s", err)

    def _connect(self) -> socket.socket:
        """Connect to the first address that answers."""
        refusals: list[str] = []
        denied: AccessDenied | None = None
        for address in self._addresses:
            try:
                return _connected(address, is_named=self._is_named)
            except AccessDenied as err:
                denied = err
            except (OSError, UnicodeError) as err:  # UnicodeError: a host like `a..b`
                refusals.append(f"{_spelled(address)}: {getattr(err, 'strerror', None) or err}")
        if denied:
            raise denied
        raise NoDaemon(f"no daemon is running ({'; '.join(refusals)})", code="client-no-daemon", remedy=START_ONE)

    def _greeted(self, connection: socket.socket, lines: "_Lines") -> messages.Hello:
        """Show the token, and receive the daemon's greeting."""
        if self._token and connection.family != socket.AF_UNIX:
            with _breaking():
                connection.sendall(messages.encode(messages.Token(token=self._token)))
        return _greeting(lines)


class _Lines:
    """The messages that arrive on a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._unread = b""
        self._lines: list[bytes] = []  # complete, the next one last

    def messages(self, patience_s: float | None) -> Iterator[messages.Message]:
        """Yield messages until the connection ends; skip those of a newer protocol.

        Raises:
            SinkError: No complete line came within `patience_s`, a line is too long, or the connection broke.
        """
        while True:
            with _breaking():
                line = self._next(patience_s)
            if line is None:
                return
            try:
                message = messages.decode(line)
            except (ValueError, RecursionError) as err:
                log.debug("skipped a line of a newer daemon: %s", err)
                continue
            yield message

    def _next(self, patience_s: float | None) -> bytes | None:
        deadline = None if patience_s is None else time.monotonic() + patience_s
        while not self._lines:
            left_s = None if deadline is None else deadline - time.monotonic()
            if left_s is not None and left_s <= 0:  # a peer that sends a byte now and then would reset a plain timeout
                raise TimeoutError
            self._connection.settimeout(left_s)
            received = self._connection.recv(65_536)
            if not received:
                return None
            *lines, self._unread = (self._unread + received).split(b"\n")
            self._lines = lines[::-1]
            if len(self._unread) > LINE_BYTES:
                raise SinkError(
                    f"what answers is not listener: a line of more than {LINE_BYTES} bytes", code="client-line"
                )
        return self._lines.pop()


def _parse(address: str) -> Address:
    kind, _, place = address.partition(":")
    if kind == "unix" and place:
        return paths.expanded(place)
    host, _, port = place.rpartition(":")
    if kind == "tcp" and host and port.isdecimal() and len(port) <= 5 and int(port) <= 65_535:
        return host.strip("[]"), int(port)
    raise ConfigError(
        f"{address!r} is not the address of a daemon",
        code="client-address",
        remedy="Write it as unix:PATH or tcp:HOST:PORT.",
    )


def _connected(address: Address, *, is_named: bool) -> socket.socket:
    """Connect to one address.

    Raises:
        OSError: Nothing answers there.
        AccessDenied: This user may not connect, or must not trust what answers.
    """
    if not isinstance(address, Path):
        connection = socket.create_connection(address, ANSWER_S)
        addresses.enable_keepalive(connection)
        return connection
    connection = socket.socket(socket.AF_UNIX)
    try:
        owner = _checked_owner(address, is_named=is_named)
        connection.settimeout(ANSWER_S)
        connection.connect(str(address))
        user = ownership.peer(connection)[1]
        if user not in {*ownership.trusted_users(), owner}:
            raise _untrusted(address, f"the process that listens there belongs to another user ({user})")
    except PermissionError as err:
        connection.close()
        raise AccessDenied(
            f"{_spelled(address)} is closed to this user",
            code="client-denied",
            remedy="Join its group, as by `sudo usermod -aG listener $USER`, and log in again; or start your own.",
        ) from err
    except (OSError, AccessDenied):
        connection.close()
        raise
    return connection


def _checked_owner(path: Path, *, is_named: bool) -> int:
    """The owner of a socket, once it is certain that no stranger has put it there."""
    status, folder = path.stat(), path.parent.stat()
    stranger = ownership.stranger(path)
    if not (stranger or is_named or path == paths.SYSTEM_SOCKET) and folder.st_uid not in ownership.trusted_users():
        stranger = f"{path.parent} belongs to another user ({folder.st_uid})"
    if stranger:
        raise _untrusted(path, stranger)
    return status.st_uid


def _untrusted(path: Path, why: str) -> AccessDenied:
    return AccessDenied(
        f"{_spelled(path)} cannot be trusted: {why}",
        code="client-untrusted",
        remedy="Remove it, or set XDG_RUNTIME_DIR to a folder of your own.",
    )


def _spelled(address: Address) -> str:
    return f"unix:{address}" if isinstance(address, Path) else f"tcp:{address[0]}:{address[1]}"


def _not_connected() -> ConnectError:
    return ConnectError("there is no connection to a daemon now", code="client-not-connected")


def _greeting(lines: _Lines) -> messages.Hello:
    try:
        first = next(lines.messages(ANSWER_S), None)
    except SinkError as err:
        raise ConnectError(err.message, code=err.code, remedy=SEE_LOG) from err
    if first is None:
        raise ConnectError(
            "the daemon closed the connection at once", code="client-closed", remedy="It may be stopping; see its log."
        )
    if isinstance(first, messages.Error):
        raise SinkError(f"the daemon refused: {first.message}", code="client-refused")
    if not isinstance(first, messages.Hello):
        raise SinkError(
            "what answers is not listener",
            code="client-stranger",
            remedy="Name the socket of a listener, as unix:PATH or tcp:HOST:PORT.",
        )
    if first.v != messages.PROTOCOL:
        raise SinkError(
            f"the daemon speaks version {first.v} of the protocol, this program {messages.PROTOCOL}",
            code="client-version",
            remedy="Update the older of the two.",
        )
    return first


def _subscribed(lines: _Lines, patience_s: float | None) -> Iterator[messages.Message]:
    """Yield the messages after the daemon's Ack: before it come events that were not asked for."""
    subscribed = False
    for message in lines.messages(patience_s):
        if isinstance(message, messages.Error):
            raise SinkError(f"the daemon closed the connection: {message.message}", code="client-closed")
        if subscribed:
            yield message
        subscribed = subscribed or isinstance(message, messages.Ack)


@contextmanager
def _breaking() -> Iterator[None]:
    """Turn errors of the connection into a SinkError."""
    try:
        yield
    except TimeoutError as err:
        raise SinkError(
            "the daemon has sent nothing for too long", code="client-timeout", remedy="It hangs, or the network does."
        ) from err
    except OSError as err:
        raise SinkError(
            f"the connection broke ({err.strerror or err})",
            code="client-broken",
            remedy="Check that the daemon is still running.",
        ) from err
