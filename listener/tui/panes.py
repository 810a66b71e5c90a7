"""One source: its state, spectrogram, level, top labels and counters."""

from itertools import islice, zip_longest

from listener import messages
from listener.base import text
from listener.base.text import plain
from listener.base.text_width import fitted
from listener.tui import palette, spectrogram
from listener.tui.lines import NAME_WIDTH, Glyphs, Line, bar, justified, side_by_side, threshold_text
from listener.tui.view import Snapshot

WIDTH, HEIGHT = 60, 8  # the least size of a pane; in a smaller window only the chosen source is shown
GAP = 3
QUIETEST_DBFS = -90.0  # the left end of the meter
LOUDEST_DBFS = -3.0
FIGURES_WIDTH = 22  # for ` -100 dBFS, floor -100`
MOST_LABELS = 8
MOST_PICTURE = 32  # lines of two mel bands each: a model has 64


def panes(snapshot: Snapshot, width: int, height: int) -> list[Line]:
    """One pane per source, if there is room for all; otherwise that of the chosen source."""
    names = snapshot.scene.sources
    columns = max(1, min(len(names), (width + GAP) // (WIDTH + GAP)))
    tall = height // max(-(-len(names) // columns), 1)
    if tall < HEIGHT and len(names) > 1:
        names, columns, tall = [snapshot.chosen], 1, height
    each = (width - GAP * (columns - 1)) // columns
    lines: list[Line] = []
    for first in range(0, len(names), columns):
        drawn = [_pane(snapshot, name, each, tall) for name in names[first : first + columns]]
        lines += [side_by_side(list(parts), each, GAP) for parts in zip_longest(*drawn, fillvalue=[])]
    return lines


def _pane(snapshot: Snapshot, name: str, width: int, height: int) -> list[Line]:
    """Title, spectrogram, level, labels and counters of one source."""
    scene, glyphs = snapshot.scene, snapshot.glyphs
    status = scene.status.sources.get(name) if scene.status else None
    labels = max(1, min(MOST_LABELS, (height - 3) // 3))
    picture = max(0, min(MOST_PICTURE, height - 3 - labels))
    lines = [_title(snapshot, name, status, width)]
    lines += _picture(snapshot, name, width, picture) if picture > 1 else []
    lines += [_meter(scene.levels.get(name), width, glyphs)]
    lines += _labels(snapshot, name, labels, width)
    lines += [_counters(status, glyphs)]
    return lines[:height]


def _title(snapshot: Snapshot, name: str, status: messages.SourceStatus | None, width: int) -> Line:
    scene, glyphs = snapshot.scene, snapshot.glyphs
    level, several = scene.levels.get(name), len(scene.sources) > 1
    state = status.state if status else "starting"
    listens = state == "listening"
    number = f"{scene.sources.index(name) + 1} " if several else ""
    chosen = several and snapshot.chosen == name
    left: Line = [(f"{glyphs.pointer if chosen else ' '}{number}", "bold cyan")]
    left += [(f"{plain(name)}  ", "bold"), (state, "green" if listens else "bold yellow")]
    trouble = (status.trouble if listens else status.detail) if status else ""
    if trouble:
        left.append((f": {plain(trouble)}", "yellow"))
    right: Line = [("muted  ", "bold magenta")] if scene.muted(name) else []
    right.append(("gate open", "bold green") if level and level.open else ("gate closed", "dim"))
    if status:
        right.append((f" {100 * status.gate_duty:3.0f} % of time ", "dim"))
    return justified(left, right, width)


def _picture(snapshot: Snapshot, name: str, width: int, height: int) -> list[Line]:
    recent = snapshot.scene.spectrograms.get(name, spectrogram.Spectrogram())
    colours = palette.grey() if snapshot.scene.absence else palette.warm()
    return spectrogram.draw(recent, width, height, snapshot.glyphs, colours)


def _meter(level: messages.Level | None, width: int, glyphs: Glyphs) -> Line:
    figures = "no audio yet"
    if level:
        floor = "" if level.floor_dbfs is None else f", floor {level.floor_dbfs:.0f}"
        figures = f"{level.level_dbfs:.0f} dBFS{floor}"
    loud = _share(level.level_dbfs) if level else 0.0
    floor_at = _share(level.floor_dbfs) if level and level.floor_dbfs is not None else None
    style = "red" if level and level.level_dbfs > LOUDEST_DBFS else "cyan"
    return _row(" level", bar(loud, floor_at, _bar_width(width), style, glyphs), f" {figures}", "")


def _share(level_dbfs: float) -> float:
    return 1 - level_dbfs / QUIETEST_DBFS


def _labels(snapshot: Snapshot, name: str, rows: int, width: int) -> list[Line]:
    """The labels with the highest scores, and the selected one. Always `rows` lines, so that nothing below jumps."""
    ranked = snapshot.scene.ranked(name)
    shown = ranked[:rows]
    selected = snapshot.view.label if snapshot.chosen == name else ""
    if selected and selected not in dict(shown):
        shown = [*shown[: rows - 1], *islice((entry for entry in ranked if entry[0] == selected), 1)]
    lines = [
        _label(snapshot, (label, score), snapshot.glyphs.pointer if label == selected else " ", width)
        for label, score in shown
    ]
    return lines + [[] for _ in range(rows - len(lines))]


def _label(snapshot: Snapshot, scored: tuple[str, float], pointer: str, width: int) -> Line:
    label, score = scored
    threshold, state = snapshot.scene.threshold(label), snapshot.scene.state
    over = threshold is not None and score >= threshold
    drawn = bar(score, threshold, _bar_width(width), "green" if over else "blue", snapshot.glyphs)
    figures = f" {score:.2f}"
    if snapshot.scene.snoozed(label):
        figures += "  snoozed"
    elif threshold is not None:
        figures += f"  from {threshold_text(threshold)}{'*' if label in state.thresholds else ''}"
    style = "bold cyan" if pointer.strip() else "bold green" if over else "" if score else "dim"
    return _row(f"{pointer}{label}", drawn, figures, style)


def _bar_width(width: int) -> int:
    return max(4, width - NAME_WIDTH - FIGURES_WIDTH)


def _row(name: str, drawn: Line, figures: str, style: str) -> Line:
    return [(f"{fitted(plain(name), NAME_WIDTH - 1)} ", style), *drawn, (figures, style)]


def _counters(status: messages.SourceStatus | None, glyphs: Glyphs) -> Line:
    if status is None:
        return []
    dot = f" {glyphs.dot} "
    each = f" of {status.inference_ms:.1f} ms" if status.inference_ms else ""  # zero without clips in the last second
    took = f"{status.clips} clips{each}{dot}queue {status.waiting_s:.1f} s{dot}"
    lost = f"lost {text.duration(status.lost_s)}"
    return [
        (f" heard {text.duration(status.heard_s)}{dot}{took}", "dim"),
        (lost, "bold yellow" if status.lost_s else "dim"),
    ]
