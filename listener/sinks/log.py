"""Events in a file that rotates, or in the journal."""

import logging
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Annotated, TextIO

from listener import messages
from listener.base import paths, text
from listener.base.requirements import Requirements
from listener.base.schema import Meta, Section
from listener.errors import SinkError
from listener.routing.first_seen import FirstSeen
from listener.routing.sink import BaseSink

log = logging.getLogger(__name__)

MODE = 0o640  # of the file

INFO = "<6>"  # sd-daemon(3): the priority of a line on stderr that lands in the journal


class LogConfig(Section, frozen=True):
    """A log of events."""

    path: Annotated[
        str, Meta(description="file; empty: the journal under systemd, else events.jsonl in the state folder")
    ] = ""
    max_mb: Annotated[float, Meta(gt=0, le=10_000, description="a file that has grown to so much is put aside")] = 10.0
    keep: Annotated[int, Meta(ge=1, le=1000, description="so many put aside are kept; older ones are deleted")] = 5


class Log(BaseSink):
    """Events as JSON lines in a file that rotates; under systemd, if no file is named, as text in the journal."""

    Config = LogConfig

    def __init__(self, config: LogConfig, _hello: messages.Hello, journal: TextIO | None = None) -> None:
        self._config = config
        self._journal = journal or (sys.stderr if paths.under_journal() else None)
        self._file: _Rotating | None = None
        self._first = FirstSeen()

    @property
    def path(self) -> Path | None:
        """The file; None for the journal."""
        if self._config.path:
            return paths.expanded(self._config.path)
        return None if self._journal else paths.state_folder() / "events.jsonl"

    @property
    def requirements(self) -> Requirements:
        return Requirements(writes=(self.path,) if self.path else ())

    def open(self) -> None:
        if self.path is None or self._file is not None:
            return
        try:
            self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            max_bytes = int(self._config.max_mb * 1e6)
            self._file = _Rotating(self.path, maxBytes=max_bytes, backupCount=self._config.keep, encoding="utf-8")
        except OSError as err:
            raise SinkError(_cannot(self.path, err)) from err

    def emit(self, event: messages.Event) -> None:
        if self.path is None:
            self._tell_journal(event)
        elif self._file is not None:
            self._write(self._file, event)

    def close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError as err:  # what is still buffered of a line that failed, and was reported, before
            log.debug("%s", _cannot(Path(file.baseFilename), err))

    def _tell_journal(self, event: messages.Event) -> None:
        line = text.line(event, first=self._first(event))
        if line and self._journal:
            self._journal.write(f"{INFO}{line}\n")
            self._journal.flush()

    def _write(self, file: "_Rotating", event: messages.Event) -> None:
        line = messages.encode(event).decode().rstrip("\n")
        try:
            file.emit(logging.makeLogRecord({"msg": line}))
        except OSError as err:
            raise SinkError(_cannot(Path(file.baseFilename), err)) from err


class _Rotating(RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        """Not for every user of the machine: it says what is heard in a home."""
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
        return os.fdopen(handle, "a", encoding=self.encoding)

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream is not None and not self._is_in_place(self.stream):
            before, self.stream = self.stream, self._open()
            with suppress(OSError):  # what is still buffered of a line that failed, and was reported, before
                before.close()
        super().emit(record)

    def _is_in_place(self, stream: TextIOWrapper) -> bool:
        """Whether what is written lands in the file of the name: logrotate may have moved it, somebody deleted it."""
        try:
            return os.path.samestat(Path(self.baseFilename).stat(), os.fstat(stream.fileno()))
        except FileNotFoundError:
            return False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging names it so
        """Raise what went wrong: the handler of the standard library prints it and goes on."""
        err = sys.exc_info()[1]
        if err is not None:
            raise err


def _cannot(path: Path, err: OSError) -> str:
    return f"log {path}: cannot be written ({err.strerror}); make it writable, or name another file with path"
