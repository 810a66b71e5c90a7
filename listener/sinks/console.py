"""Print events on standard output."""

import os
import select
import sys
from io import RawIOBase
from typing import Annotated

from listener import messages
from listener.base import text
from listener.base.schema import Meta
from listener.errors import OutputClosed, SinkError
from listener.routing.first_seen import FirstSeen
from listener.routing.sink import BaseSink, SinkConfig


class ConsoleConfig(SinkConfig, frozen=True):
    """Standard output."""

    json: Annotated[bool, Meta(description="true: one JSON object a line; false: text for a person")] = False


class Console(BaseSink):
    """Events on standard output, as text or as JSON lines."""

    Config = ConsoleConfig

    def __init__(self, config: ConsoleConfig, _hello: messages.Hello, stream: RawIOBase | None = None) -> None:
        self._json = config.json
        self._stream, self._first = stream, FirstSeen()

    def open(self) -> None:
        # Bytes, because JSON is UTF-8 in every locale; and unbuffered, because a reader that has stopped reading would
        # hold the lock of Python's buffer forever.
        self._stream = self._stream or open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115

    def emit(self, event: messages.Event) -> None:
        line = messages.encode(event) if self._json else _human(event, first=self._first(event))
        if not line or not self._stream:
            return
        try:
            while line:  # an unbuffered stream may write only a part
                taken = self._stream.write(line)
                if taken is None:  # another process has made it non-blocking, and it is full
                    select.select([], [self._stream], [])
                line = line[taken or 0 :]
        except BrokenPipeError as err:
            _redirect(self._stream)
            raise OutputClosed("the reader of standard output has gone", code="console-closed") from err
        except OSError as err:
            problem = f"standard output cannot be written ({err.strerror})"
            raise SinkError(problem, code="console-unwritable", remedy="Check where it goes.") from err


def _human(event: messages.Event, *, first: bool) -> bytes:
    line = text.line(event, first=first)
    return f"{line}\n".encode() if line else b""


def _redirect(stream: RawIOBase) -> None:
    """Redirect the stream to /dev/null, or Python reports the broken pipe again when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
