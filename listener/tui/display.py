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
from listener.tui import keys
from listener.tui.canvas import Canvas
from listener.tui.keyboard import Keyboard
from listener.tui.keys import Step
from listener.tui.page import draw
from listener.tui.scene import Scene, Shown
from listener.tui.view import Shot, View
from listener.tuning import save_result

REDRAW_S = 0.1  # at most ten pictures a second: quicker is not seen
IDLE_S = 0.5  # without news it is drawn so often, for spans that grow and a window that has changed its size
SILENT_S = 5.0  # a daemon says how it is once a second

Obey = Callable[[messages.Command], object]


class Display:
    """What a daemon hears, live in the terminal. Fed with wire messages, in the daemon or over its socket.

    `emit`, `show`, `picture` and `note` come from any thread and cost microseconds; drawing and keys have threads of
    their own. Keys that ask something of the daemon are for `obey`, or for the controls that `steer` brings; `keep`
    and `quit` are called by the keys for them. Once the terminal is gone `emit` raises OutputClosed. `close` gives the
    terminal back as it was, and so does the end of the interpreter.
    """

    def __init__(
        self,
        hello: messages.Hello | None = None,
        *,
        canvas: Canvas | None = None,
        keyboard: Keyboard | None = None,
        obey: Obey | None = None,
        keep: save_result.Keep = save_result.nowhere,
        quit: Callable[[], None] = lambda: None,
    ) -> None:
        self._scene, self._view = Scene(hello), View()
        self._standing: Shot | None = None  # what is shown while it is paused
        self._canvas, self._keyboard = canvas or Canvas(), keyboard or Keyboard()
        self._obey, self._keep, self._quit = obey, keep, quit
        self._controls: Controls | None = None
        self._heard_at = time.time()
        self._lock = threading.Lock()  # guards scene and view
        self._painting = threading.Lock()  # held by who writes to the terminal
        self._news = threading.Event()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._is_open = False
        self._gone: OSError | None = None  # why the terminal can no longer be written

    def open(self) -> None:
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
    def watched(self) -> bool:
        """Always: somebody has opened it to look at it."""
        return True

    @property
    def pictured(self) -> bool:
        """Likewise, while it is open."""
        return self._is_open

    def steer(self, controls: Controls) -> None:
        """Have keys change what the daemon does, and show what was changed."""
        self._controls, self._obey = controls, controls.obey
        controls.watch(self.show)
        self.show(controls.state())

    def emit(self, event: messages.Event) -> None:
        self.show(event)
        if self._gone is not None:
            raise OutputClosed(f"the terminal has gone ({self._gone.strerror})") from self._gone

    def picture(self, spectrum: messages.Spectrum) -> None:
        """Show columns of the spectrogram."""
        self.show(spectrum)

    def greet(self, hello: messages.Hello) -> None:
        """Show other thresholds from now on."""
        self.show(hello)

    def show(self, message: Shown) -> None:
        """Take in a message of any kind. A level can wait until there is more to draw."""
        self._change(lambda scene: scene.after(message))
        self._heard_at = time.time()
        if not isinstance(message, messages.Level):
            self._news.set()

    def note(self, line: str) -> None:
        """Show a line of the log at the foot: on stderr it would spoil the picture."""
        self._change(lambda scene: scene.noting(line))
        self._news.set()

    def lose(self, why: str) -> None:
        """There is no daemon to hear from any more: the picture stands, until one greets."""
        since = time.time()
        self._change(lambda scene: scene.absent(since, why))
        self._news.set()

    def close(self) -> None:
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
        """What it was told, paused or not."""
        return self._scene

    @property
    def view(self) -> View:
        """What the user has chosen."""
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

    def _shot(self) -> Shot:
        """What is to be seen now. Without a daemon time stands; and so it does while the picture is paused."""
        with self._lock:
            scene, view = self._current(), self._view
        if view.paused and self._standing:
            kept = replace(self._standing.scene, notice=scene.notice, state=scene.state)
            return replace(self._standing, scene=kept, view=view)
        now = scene.absence.since if scene.absence else time.time()
        shot = Shot(scene, view, self._canvas.look, now)
        self._standing = shot if view.paused else None
        return shot

    def _current(self) -> Scene:
        """The scene, and whether the daemon still says how it is."""
        scene = self._scene
        if scene.hello is None or scene.absence or time.time() - self._heard_at < SILENT_S:
            return scene
        return scene.absent(self._heard_at, "the daemon has said nothing since; it hangs, or the network does")

    def _read_keys(self) -> None:
        for key in self._keyboard.strokes():
            self._do(keys.pressed(key, self._scene, self._view))

    def _do(self, step: Step) -> None:
        with self._lock:
            self._view = step.view
        if step.command:
            self._ask(step.command, step.notice)
        elif step.notice:
            self.note(step.notice)
        match step.then:
            case "quit":
                self._quit()
            case "suspend":
                self._suspend()
            case "repaint":
                self._canvas.forget()
            case "keep":
                self._keep_thresholds()
        self._news.set()

    def _ask(self, command: messages.Command, notice: str) -> None:
        """Of the daemon; what it refuses is said at the foot."""
        if self._obey is None:
            self.note("nothing can be changed from here")
            return
        try:
            self.note(notice)
            self._obey(command)
        except (ValueError, ListenerError) as err:
            self.note(str(err))

    def _keep_thresholds(self) -> None:
        scene = self._scene
        if scene.hello:
            came = self._keep(scene.hello, scene.state.thresholds)
            with self._lock:
                self._view = replace(self._view, page="keep", kept=came)

    def _suspend(self) -> None:
        """As ctrl-z does: everybody at this terminal stops, until the shell has them go on in the foreground."""
        with self._painting:
            self._give_back()
            self._stop(signal.SIGTSTP)
            while not (self._keyboard.in_front or self._closing.is_set()):
                self._stop(signal.SIGTTIN)  # as one that wants the keys and is in the background
            if not self._closing.is_set():
                self._canvas.open()
                self._keyboard.open()

    def _stop(self, number: signal.Signals) -> None:
        """Stop the shell's job. It is another thread that takes the signal; until then this one waits."""
        os.killpg(0, number)
        self._closing.wait(IDLE_S)

    def _give_back(self) -> None:
        self._keyboard.close()
        try:
            self._canvas.close()
        except OSError as err:
            self._gone = err
