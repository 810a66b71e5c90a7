"""The live display in a terminal."""

import atexit
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from listener import messages
from listener.errors import ListenerError, OutputClosed
from listener.routing.controls import Controls
from listener.routing.sink import BaseSink
from listener.tui import keys
from listener.tui.canvas import Canvas
from listener.tui.keyboard import Keyboard
from listener.tui.keys import Step
from listener.tui.page import draw
from listener.tui.scene import Scene, Shown
from listener.tui.view import Snapshot, View
from listener.tuning import save_result

REDRAW_S = 0.1  # between pictures: faster is not visible
IDLE_S = 0.5  # between pictures without news: time passes, and the window may change its size
SILENT_S = 5.0  # a daemon sends its status once a second

Execute = Callable[[messages.Command], object]


class LiveDisplay(BaseSink):
    """Shows what a daemon hears. It is fed with messages, in the daemon itself or over its socket.

    The methods of a sink, `show` and `note` may be called by any thread and take microseconds: threads of the display's
    own draw and read keys. `close`, or the end of the interpreter, gives the terminal back.

    Args:
        hello: The daemon's greeting, if it is known already.
        canvas: Where to draw.
        keyboard: Where keys come from.
        execute: Called with the commands of keys. `set_controls` replaces it.
        save: Called by the key that saves thresholds.
        quit: Called by the key that quits.
    """

    def __init__(
        self,
        hello: messages.Hello | None = None,
        *,
        canvas: Canvas | None = None,
        keyboard: Keyboard | None = None,
        execute: Execute | None = None,
        save: save_result.Keep = save_result.nowhere,
        quit: Callable[[], None] = lambda: None,
    ) -> None:
        self._scene, self._view = Scene(hello), View()
        self._paused: Snapshot | None = None  # what is shown while the picture is paused
        self._canvas, self._keyboard = canvas or Canvas(), keyboard or Keyboard()
        self._execute, self._save, self._quit = execute, save, quit
        self._controls: Controls | None = None
        self._received_at = time.time()
        self._lock = threading.Lock()  # guards scene and view
        self._painting = threading.Lock()  # held while writing to the terminal
        self._news = threading.Event()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._is_open = False
        self._gone: OSError | None = None  # why the terminal can no longer be written to

    def open(self) -> None:
        """Take the terminal and start drawing.

        Raises:
            OSError: The terminal has gone.
        """
        if self._is_open:
            return
        atexit.register(self.close)
        self._is_open = True
        self._closing.clear()
        self._canvas.open()
        self._keyboard.open()
        self._threads = [
            threading.Thread(target=self._redraw, name="display", daemon=True),
            threading.Thread(target=self._read_keys, name="keys", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_open(self) -> bool:
        """Whether it has the terminal."""
        return self._is_open

    @property
    def wants_levels(self) -> bool:
        """True: it was opened to be looked at."""
        return True

    @property
    def wants_spectrum(self) -> bool:
        """True while it is open."""
        return self._is_open

    def set_controls(self, controls: Controls) -> None:
        """Send the commands of keys to these controls, and show their state."""
        self._controls, self._execute = controls, controls.execute
        controls.watch(self.show)
        self.show(controls.state())

    def emit(self, event: messages.Event) -> None:
        """Show an event.

        Raises:
            OutputClosed: The terminal has gone.
        """
        self.show(event)
        if self._gone is not None:
            raise OutputClosed(f"the terminal has gone ({self._gone.strerror})", code="display-gone") from self._gone

    def on_hello(self, hello: messages.Hello) -> None:
        """Show the labels and thresholds of a changed configuration."""
        self.show(hello)

    def on_level(self, level: messages.Level) -> None:
        """Show a level with the next picture."""
        self.show(level)

    def on_status(self, status: messages.Status) -> None:
        """Show how the daemon is doing."""
        self.show(status)

    def on_spectrum(self, spectrum: messages.Spectrum) -> None:
        """Show columns of the spectrogram."""
        if self._is_open:
            self.show(spectrum)

    def show(self, message: Shown) -> None:
        """Show a message of any kind. A level alone is drawn with the next picture."""
        self._change(lambda scene: scene.with_message(message))
        self._received_at = time.time()
        if not isinstance(message, messages.Level):
            self._news.set()

    def note(self, line: str) -> None:
        """Show a line of the log at the foot: on standard error it would spoil the picture."""
        self._change(lambda scene: scene.with_notice(line))
        self._news.set()

    def show_absence(self, why: str) -> None:
        """Show that no daemon sends anything: the picture stands until the next greeting."""
        since = time.time()
        self._change(lambda scene: scene.with_absence(since, why))
        self._news.set()

    def close(self) -> None:
        """Give the terminal back."""
        if self._controls is not None:
            self._controls.unwatch(self.show)
        if not self._is_open:
            return
        self._is_open = False
        self._closing.set()
        self._news.set()
        self._keyboard.wake()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(1.0)
        atexit.unregister(self.close)
        self._give_back()

    @property
    def scene(self) -> Scene:
        """The messages received so far, also while it is paused."""
        return self._scene

    @property
    def view(self) -> View:
        """The user's choices."""
        return self._view

    def _change(self, change: Callable[[Scene], Scene]) -> None:
        with self._lock:
            self._scene = change(self._scene)

    def _redraw(self) -> None:
        while not self._closing.is_set():
            try:
                with self._painting:
                    self._canvas.paint(draw(self._shot(), *self._canvas.size))
            except OSError as err:
                self._gone = err
                return
            self._closing.wait(REDRAW_S)
            self._news.wait(IDLE_S)
            self._news.clear()

    def _shot(self) -> Snapshot:
        """What to draw now. Time stands without a daemon, and while the picture is paused."""
        with self._lock:
            scene, view = self._current(), self._view
        if view.paused and self._paused:
            scene = replace(self._paused.scene, notice=scene.notice, state=scene.state)
            return replace(self._paused, scene=scene, view=view)
        now = scene.absence.since if scene.absence else time.time()
        snapshot = Snapshot(scene, view, self._canvas.glyphs, now)
        self._paused = snapshot if view.paused else None
        return snapshot

    def _current(self) -> Scene:
        """The scene, marked as absent if the daemon has fallen silent."""
        scene = self._scene
        if scene.hello is None or scene.absence or time.time() - self._received_at < SILENT_S:
            return scene
        return scene.with_absence(self._received_at, "the daemon has sent nothing since; it hangs, or the network does")

    def _read_keys(self) -> None:
        for key in self._keyboard.keys_pressed():
            self._do(keys.pressed(key, self._scene, self._view))

    def _do(self, step: Step) -> None:
        with self._lock:
            self._view = step.view
        if step.command:
            self._send(step.command, step.notice)
        elif step.notice:
            self.note(step.notice)
        match step.then:
            case "quit":
                self._quit()
            case "suspend":
                self._suspend()
            case "repaint":
                self._canvas.forget()
            case "save":
                self._save_thresholds()
        self._news.set()

    def _send(self, command: messages.Command, notice: str) -> None:
        """Have the command executed, and show a refusal at the foot."""
        if self._execute is None:
            self.note("nothing can be changed from here")
            return
        try:
            self.note(notice)
            self._execute(command)
        except (ValueError, ListenerError) as err:
            self.note(str(err))

    def _save_thresholds(self) -> None:
        scene = self._scene
        if scene.hello:
            saved = self._save(scene.hello, scene.state.thresholds)
            with self._lock:
                self._view = replace(self._view, page="saved", saved=saved)

    def _suspend(self) -> None:
        """Stop the job, as ctrl-z does, until the shell continues it in the foreground."""
        with self._painting:
            self._give_back()
            self._stop(signal.SIGTSTP)
            while not (self._keyboard.is_foreground or self._closing.is_set()):
                self._stop(signal.SIGTTIN)  # as for a background job that reads from the terminal
            if not self._closing.is_set():
                self._canvas.open()
                self._keyboard.open()

    def _stop(self, number: signal.Signals) -> None:
        """Stop the shell's job. Another thread takes the signal; this one waits until then."""
        os.killpg(0, number)
        self._closing.wait(IDLE_S)

    def _give_back(self) -> None:
        self._keyboard.close()
        try:
            self._canvas.close()
        except OSError as err:
            self._gone = err
