"""The last minutes: the events of each label as spans, the latest label first."""

from math import ceil, floor

from listener.base.text import plain
from listener.base.text_width import fitted
from listener.messages import Event
from listener.tui.lines import NAME_WIDTH, Glyphs, Line
from listener.tui.scene import Scene, is_active
from listener.tui.view import Snapshot

CELL_S = 5.0
TICK_CELLS = 24  # two minutes
STYLES = ("cyan", "magenta", "blue", "green")


def timeline(snapshot: Snapshot, width: int, rows: int) -> list[Line]:
    """A rule with the time, and `rows` lines."""
    scene, glyphs = snapshot.scene, snapshot.glyphs
    cells = max(0, width - NAME_WIDTH)
    spans = [(event, *_cells(scene, event, snapshot.now, cells)) for event in reversed(scene.events.values())]
    visible = [(event, begin, end) for event, begin, end in spans if end > 0]
    labels = list(dict.fromkeys(event.label for event, _, _ in visible))
    shown = labels if len(labels) <= rows else labels[: rows - 1]
    lines = [_rule(width, cells, glyphs)]
    for label in shown:
        own = [(event, begin, end) for event, begin, end in visible if event.label == label]
        lines.append(_row(label, own, cells, _style(scene, label), glyphs))
    if len(shown) < len(labels):
        lines.append([(f" and {', '.join(plain(label) for label in labels[len(shown) :])}", "dim")])
    if not visible:
        lines.append([(" no events", "dim")])
    return lines + [[] for _ in range(1 + rows - len(lines))]


def _cells(scene: Scene, event: Event, now: float, cells: int) -> tuple[int, int]:
    """The first cell of an event and the one after its last; at least one cell."""
    began, ended = scene.span(event, now)
    first = cells - ceil(max(0.0, now - began) / CELL_S)
    return max(0, min(first, cells - 1)), cells - floor(max(0.0, now - ended) / CELL_S)


def _rule(width: int, cells: int, glyphs: Glyphs) -> Line:
    """Now is at the right, with a mark every two minutes."""
    rule = list(f"{glyphs.rule * 2} timeline ".ljust(width, glyphs.rule))
    for back in range(TICK_CELLS, cells - TICK_CELLS // 2, TICK_CELLS):
        word = f" {back * CELL_S / 60:.0f} min ago "
        at = width - back - len(word) // 2
        rule[at : at + len(word)] = word
    return [("".join(rule)[: width - 4] + " now", "dim")]


def _row(label: str, spans: list[tuple[Event, int, int]], cells: int, style: str, glyphs: Glyphs) -> Line:
    on = any(is_active(event) for event, _, _ in spans)
    drawn = [" "] * cells
    for _, begin, end in spans:
        drawn[begin:end] = glyphs.full * (end - begin)
    return [
        (f" {fitted(plain(label), NAME_WIDTH - 2)} ", "bold green" if on else ""),
        ("".join(drawn), "bold green" if on else style),
    ]


def _style(scene: Scene, label: str) -> str:
    """The colour of a label, always the same."""
    labels = scene.hello.labels if scene.hello else []
    return STYLES[labels.index(label) % len(STYLES)] if label in labels else ""
