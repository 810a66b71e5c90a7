"""Write events to a rotating file, or to the journal."""

import errno
import logging
import os
import stat
import sys
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Annotated, TextIO

from listener import messages
from listener.base import paths, text
from listener.base.requirements import Requirements
from listener.base.schema import Meta
from listener.errors import SinkError
from listener.routing.first_seen import FirstSeen
from listener.routing.sink import BaseSink, SinkConfig

log = logging.getLogger(__name__)

MODE = 0o640  # of the file

INFO = "<6>"  # the priority of a line in the journal, sd-daemon(3)


class LogConfig(SinkConfig, frozen=True):
    """A log of events."""

    path: Annotated[
        str, Meta(description="file; empty: the journal under systemd, else events.jsonl in the state folder")
    ] = ""
    max_mb: Annotated[
        float, Meta(gt=0, le=10_000, description="size at which the file is renamed and a new one begun")
    ] = 10.0
    keep: Annotated[int, Meta(ge=1, le=1000, description="number of renamed files to keep")] = 5


class Log(BaseSink):
    """Events as JSON lines in a rotating file. Under systemd, if no file is named, as text in the journal."""

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
            raise _error(self.path, err) from err

    def emit(self, event: messages.Event) -> None:
        if self.path is None:
            self._write_journal(event)
        elif self._file is not None:
            self._write(self._file, event)

    def close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError as err:  # the buffered rest of a line that has failed, and was reported
            log.debug("%s", _error(Path(file.baseFilename), err))

    def _write_journal(self, event: messages.Event) -> None:
        line = text.line(event, first=self._first(event))
        if line and self._journal:
            self._journal.write(f"{INFO}{line}\n")
            self._journal.flush()

    def _write(self, file: "_Rotating", event: messages.Event) -> None:
        line = messages.encode(event).decode().rstrip("\n")
        try:
            file.emit(logging.makeLogRecord({"msg": line}))
        except OSError as err:
            raise _error(Path(file.baseFilename), err) from err


class _Rotating(RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        """Open without waiting for the reader of a FIFO, and with a mode that keeps other users out."""
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, MODE)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, "not a regular file")
        return os.fdopen(handle, "a", encoding=self.encoding)

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream is not None and not self._is_in_place(self.stream):
            before, self.stream = self.stream, self._open()
            with suppress(OSError):  # the buffered rest of a line that has failed, and was reported
                before.close()
        super().emit(record)

    def _is_in_place(self, stream: TextIOWrapper) -> bool:
        """Tell whether the stream is still the file of that name: logrotate may have renamed it."""
        try:
            return os.path.samestat(Path(self.baseFilename).stat(), os.fstat(stream.fileno()))
        except FileNotFoundError:
            return False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - the name is given by logging
        """Raise the error, which the standard library would only print."""
        err = sys.exc_info()[1]
        if err is not None:
            raise err


def _error(path: Path, err: OSError) -> SinkError:
    remedy = "Make it writable, or name another file with path."
    return SinkError(f"{path} cannot be written ({err.strerror})", code="log-unwritable", remedy=remedy)
