"""Events on standard output."""

import os
import select
import sys
from io import RawIOBase
from typing import Annotated

from listener import messages
from listener.base import text
from listener.base.schema import Meta, Section
from listener.errors import OutputClosed, SinkError
from listener.routing.first_seen import FirstSeen
from listener.routing.sink import BaseSink


class ConsoleConfig(Section, frozen=True):
    """Standard output."""

    json: Annotated[bool, Meta(description="true: one JSON object a line; false: text for a person")] = False


class Console(BaseSink):
    """Events on standard output, as text or as JSON lines.

    `emit` raises OutputClosed when the reader of a pipe has gone.
    """

    Config = ConsoleConfig

    def __init__(self, config: ConsoleConfig, _hello: messages.Hello, stream: RawIOBase | None = None) -> None:
        self._json = config.json
        self._stream, self._first = stream, FirstSeen()

    def open(self) -> None:
        # Bytes, for JSON is UTF-8 whatever the locale says; and past Python's own buffer, whose lock a reader that
        # has stopped reading would keep from everybody for ever.
        self._stream = self._stream or open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115

    def emit(self, event: messages.Event) -> None:
        line = messages.encode(event) if self._json else _human(event, first=self._first(event))
        if not line or not self._stream:
            return
        try:
            while line:  # unbuffered, it may take only a part
                taken = self._stream.write(line)
                if taken is None:  # somebody who has it too made it non-blocking, and it is full
                    select.select([], [self._stream], [])
                line = line[taken or 0 :]
        except BrokenPipeError as err:
            _forget(self._stream)
            raise OutputClosed("standard output: its reader has gone") from err
        except OSError as err:
            raise SinkError(f"standard output: cannot be written ({err.strerror}); see what it was sent to") from err


def _human(event: messages.Event, *, first: bool) -> bytes:
    line = text.line(event, first=first)
    return f"{line}\n".encode() if line else b""


def _forget(stream: RawIOBase) -> None:
    """Send what is still buffered nowhere, or Python complains of the broken pipe once more when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
