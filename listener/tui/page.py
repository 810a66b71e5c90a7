"""The whole picture, drawn as lines of styled text."""

import textwrap
from datetime import datetime

from listener.base import text
from listener.base.text import plain
from listener.base.text_width import cells
from listener.base.version import __version__
from listener.tui.events import events
from listener.tui.keys import HELP
from listener.tui.lines import Line, cropped, justified, length
from listener.tui.panes import panes
from listener.tui.scene import Scene
from listener.tui.timeline import timeline
from listener.tui.view import Snapshot
from listener.tuning.save_result import SaveResult

LEAST_WIDTH, LEAST_HEIGHT = 56, 14
HINTS = (  # the first that fits beside the notice
    "q quit  p pause  m mute  up/down +/- threshold  ? help ",
    "q quit  p pause  m mute  ? help ",
    "? help ",
)


def draw(snapshot: Snapshot, width: int, height: int) -> list[Line]:
    """Draw a snapshot as at most `height` lines of at most `width` cells."""
    scene, page = snapshot.scene, snapshot.view.page
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        lines = _centred([f"the window is {width}x{height}", f"it needs {LEAST_WIDTH}x{LEAST_HEIGHT}"], width, height)
    elif page == "help":
        lines = _help(width)
    elif page == "saved" and snapshot.view.saved:
        lines = _saved(snapshot.view.saved, width)
    elif scene.hello is None:
        lines = _waiting(scene, width, height)
    else:
        lines = _picture(snapshot, width, height)
    return [cropped(line, width) for line in lines[:height]]


def _picture(snapshot: Snapshot, width: int, height: int) -> list[Line]:
    body = height - 3
    spans, listed = max(1, min(8, body // 7)), max(1, min(16, body // 6))
    above = panes(snapshot, width, body - spans - listed - 2)
    listed = body - len(above) - spans - 2
    lines = [_header(snapshot, width), *above]
    lines += timeline(snapshot, width, spans)
    lines += events(snapshot, width, listed)
    lines.append(_sinks(snapshot))
    if snapshot.scene.absence:
        lines = [_dimmed(line) for line in lines]
    return [*lines, _foot(snapshot.scene, width)]


def _header(snapshot: Snapshot, width: int) -> Line:
    hello, status = snapshot.scene.hello, snapshot.scene.status
    left: Line = [(" listener ", "bold")]
    if hello:
        left.append((f"{plain(hello.version)}  {plain(hello.model)} on {plain(hello.provider)}", "dim"))
    right: Line = [(" paused, p: continue ", "reverse bold")] if snapshot.view.paused else []
    if status:
        right.append((f"  cpu {100 * status.cpu:.1f} %  up {text.duration(status.uptime_s)} ", "dim"))
    return justified(left, right, width)


def _sinks(snapshot: Snapshot) -> Line:
    """Each sink, with the number of events that wait in it and that it has lost."""
    status = snapshot.scene.status
    if status is None:
        return []
    line: Line = [(" to", "dim")]
    for name, lost in status.sinks.items():
        waiting = status.waiting.get(name, 0)
        line.append((f"{f' {snapshot.glyphs.dot}' if len(line) > 1 else ''} {plain(name)}", "dim"))
        line += [(f" {waiting} waiting", "")] if waiting else []
        line += [(f" {lost} lost", "bold yellow")] if lost else []
    return line


def _foot(scene: Scene, width: int) -> Line:
    """The notice, and the hints that fit beside it."""
    left: Line = [(f" {scene.notice}", "yellow")] if scene.notice else []
    if scene.absence:
        left = [(f" {_since(scene)}: {scene.absence.why}", "bold yellow")]
    hints = next((each for each in HINTS if length(left) + len(each) + 1 <= width), "")
    return justified(left, [(hints, "dim")], width) if hints else left


def _since(scene: Scene) -> str:
    since = datetime.fromtimestamp(scene.absence.since if scene.absence else 0.0).astimezone()
    return f"{since:%H:%M:%S}"


def _dimmed(line: Line) -> Line:
    """The line in grey, for a scene of the past. The spectrogram is grey already."""
    return [(piece, style if "#" in style else "dim") for piece, style in line]


def _waiting(scene: Scene, width: int, height: int) -> list[Line]:
    """The page before the first daemon."""
    why = scene.absence.why if scene.absence else "connecting"
    words = ["listener " + __version__, "", *_wrapped(why, width - 8)]
    if scene.absence:
        words += ["", f"waiting since {_since(scene)}; q: quit"]
    return _centred(words, width, height)


def _wrapped(sentence: str, width: int) -> list[str]:
    """Wrap a sentence; break long words. textwrap counts characters, not cells."""
    lines = textwrap.wrap(sentence, max(width, 1), break_on_hyphens=False)
    if all(cells(line) <= width for line in lines):
        return lines
    return textwrap.wrap(sentence, max(width // 2, 1), break_on_hyphens=False)


def _centred(words: list[str], width: int, height: int) -> list[Line]:
    above = max(0, (height - len(words)) // 2)
    return [*([] for _ in range(above)), *([(" " * ((width - cells(line)) // 2) + line, "")] for line in words)]


def _help(width: int) -> list[Line]:
    lines: list[Line] = [[(" listener, keys", "bold")], []]
    lines += [[(f"   {keys:<14}", "bold cyan"), (meaning, "")] for keys, meaning in HELP]
    closing = "Changes last until they are undone. Any key: back to the picture."
    return [*lines, [], *([(f" {line}", "dim")] for line in _wrapped(closing, width - 2))]


def _saved(saved: SaveResult, width: int) -> list[Line]:
    """Where the thresholds were saved; or why they were not, and the lines for the user to add."""
    where = plain(str(saved.path))
    if not saved.path:
        title, detail = "Not saved. Add these lines to the configuration:", plain(saved.why)
    elif not saved.settings:
        title, detail = "The configuration has these thresholds already.", where
    else:
        title, detail = "Saved in the configuration, and in force already:", where
    backup = [f"backup: {plain(str(saved.backup))}"] if saved.backup else []
    closing = [
        line
        for sentence in (detail, *backup, "Any key: back to the picture.")
        for line in _wrapped(sentence, width - 2)
    ]
    lines: list[Line] = [[(f" {title}", "bold")], []]
    lines += [[(f"   {line}", "")] for line in saved.lines]
    return [*lines, *([[]] if saved.lines else []), *([(f" {line}", "dim")] for line in closing)]
