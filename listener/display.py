"""The live display in a terminal."""

import atexit
import threading
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.segment import Segment
from rich.style import Style

from listener import wire
from listener.errors import OutputClosed
from listener.screen import ASCII, UNICODE, Line, Scene, draw

REDRAW_S = 0.15  # a drawing costs about 1.5 ms; quicker is not seen
IDLE_S = 1.0  # without news it is drawn so often, for a window that has changed its size


class Display:
    """What a daemon hears, live in the terminal. Fed with wire messages, in the daemon or over its socket.

    `emit`, `show` and `note` come from any thread and cost microseconds; drawing has a thread of its own. Once
    the terminal is gone `emit` raises OutputClosed. `close` gives the terminal back as it was, and so does the
    end of the interpreter.
    """

    def __init__(self, hello: wire.Hello, console: Console | None = None) -> None:
        self._scene = Scene(hello)
        self._console = console or Console()
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._live: Live | None = None
        self._gone: OSError | None = None  # why the terminal can no longer be written

    def open(self) -> None:
        if self._live is not None:
            return
        picture = _Picture(self)
        self._live = Live(picture, console=self._console, screen=True, auto_refresh=False, redirect_stderr=False)
        self._closing.clear()
        atexit.register(self.close)
        self._live.start(refresh=True)
        self._thread = threading.Thread(target=self._redraw, args=(self._live,), name="display", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether it has the terminal."""
        return self._live is not None

    @property
    def watched(self) -> bool:
        """Always: somebody has opened it to look at it."""
        return True

    def emit(self, event: wire.Event) -> None:
        self._take(event)
        if self._gone is not None:
            raise OutputClosed(f"the terminal has gone ({self._gone.strerror})") from self._gone

    def show(self, message: wire.Level | wire.Status) -> None:
        self._take(message)

    def greet(self, hello: wire.Hello) -> None:
        """Show other thresholds from now on."""
        self._take(hello)

    def note(self, line: str) -> None:
        """Show a line of the log at the foot: on stderr it would spoil the picture."""
        with self._lock:
            self._scene = self._scene.noting(line)
        self._news.set()

    def close(self) -> None:
        if self._live is None:
            return
        self._closing.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join(1.0)
        live, self._live = self._live, None
        atexit.unregister(self.close)
        try:
            live.stop()
        except OSError as err:
            self._gone = err

    @property
    def scene(self) -> Scene:
        """What is shown."""
        return self._scene

    def _take(self, message: wire.Event | wire.Level | wire.Status | wire.Hello) -> None:
        with self._lock:
            self._scene = self._scene.after(message)
        self._news.set()

    def _redraw(self, live: Live) -> None:
        while not self._closing.wait(REDRAW_S):
            self._news.wait(IDLE_S)
            self._news.clear()
            try:
                live.refresh()
            except OSError as err:
                self._gone = err
                return


class _Picture:
    """The scene as rich draws it: ready segments, because laying out tables ten times a second costs a core dear."""

    def __init__(self, display: Display) -> None:
        self._display = display

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        width, height = console.size
        glyphs = ASCII if options.ascii_only else UNICODE
        for line in draw(self._display.scene, width, height, glyphs):
            yield from _segments(console, line)
            yield Segment.line()


def _segments(console: Console, line: Line) -> Iterator[Segment]:
    for piece, style in line:
        if piece:
            yield Segment(piece, console.get_style(style) if style else Style.null())
