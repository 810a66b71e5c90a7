"""Which lines of a folder's files have run, seen for the price of those that have not."""

import sys
import threading
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

Tracer = Any  # what sys.settrace takes


class Coverage:
    """Traces, within the `with` block, what has not all been seen yet: code that has costs a call and no more."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._unseen: dict[CodeType, set[int]] = {}
        self._fresh = False

    def __enter__(self) -> "Coverage":
        threading.settrace(self._enter)  # for threads that are started from now on
        sys.settrace(self._enter)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.settrace(None)
        threading.settrace(None)

    def take_fresh(self) -> bool:
        """Whether a line ran for the first time since this was last asked."""
        fresh, self._fresh = self._fresh, False
        return fresh

    def _enter(self, frame: FrameType, event: str, arg: object) -> Tracer:  # noqa: ARG002
        unseen = self._unseen.get(frame.f_code)
        if unseen is None:
            unseen = self._unseen[frame.f_code] = self._lines(frame.f_code)
        return self._note if unseen else None

    def _lines(self, code: CodeType) -> set[int]:
        if not code.co_filename.startswith(self._folder):
            return set()
        return {line for _, _, line in code.co_lines() if line is not None and line != code.co_firstlineno}

    def _note(self, frame: FrameType, event: str, arg: object) -> Tracer:  # noqa: ARG002
        unseen = self._unseen[frame.f_code]
        if frame.f_lineno in unseen:
            unseen.discard(frame.f_lineno)
            self._fresh = True
        return self._note
