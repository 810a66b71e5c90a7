"""What the live display shows: a scene made of wire messages, drawn as lines of styled text. Knows no terminal."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest

from listener import wire
from listener.sinks import text

EVENTS = 100  # remembered for the list
TOP = 5
PANE_WIDTH = 54  # at least so wide, or panes are put below each other
QUIETEST_DBFS = -90.0  # the left end of the meter
NAME_WIDTH = 19
FIGURES_WIDTH = 21  # for `-100 dBFS, floor -100`
EVENT_ROWS = 4  # the panes leave at least so many to the events

Piece = tuple[str, str]  # text, style
Line = list[Piece]


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What bars are drawn with. Full, mark and empty differ in shape, so that colour is not needed."""

    full: str
    empty: str
    mark: str
    rule: str
    dot: str


UNICODE = Glyphs("█", "░", "┃", "─", "·")
ASCII = Glyphs("#", ".", "|", "-", "-")


@dataclass(frozen=True, slots=True)
class Scene:
    """The latest of everything that a display was told. Frozen, so it can be drawn while the next is made."""

    hello: wire.Hello
    levels: dict[str, wire.Level] = field(default_factory=dict)
    status: wire.Status | None = None
    events: dict[str, wire.Event] = field(default_factory=dict)  # by id, the oldest first
    notice: str = ""

    def after(self, message: wire.Event | wire.Level | wire.Status | wire.Hello) -> "Scene":
        """The scene with one more message taken in."""
        match message:
            case wire.Level():
                return replace(self, levels={**self.levels, message.source: message})
            case wire.Status():
                return replace(self, status=message)
            case wire.Hello():
                return replace(self, hello=message)
        events = {**self.events, message.id: message}
        return replace(self, events=dict(islice(events.items(), max(0, len(events) - EVENTS), None)))

    def noting(self, notice: str) -> "Scene":
        """The scene with a word at its foot."""
        return replace(self, notice=_plain(notice))


def draw(scene: Scene, width: int, height: int, glyphs: Glyphs = UNICODE) -> list[Line]:
    """At most `height` lines, each at most `width` wide, whatever the scene."""
    head = [_header(scene, width), [(glyphs.rule * width, "dim")]]
    foot = [[(scene.notice, "yellow")]] if scene.notice else []
    panes = _panes(scene, width, height - len(head) - len(foot) - EVENT_ROWS - 1, glyphs)
    rows = height - len(head) - len(panes) - len(foot)
    events = list(_events(scene, rows, width, glyphs))
    space: list[Line] = [[] for _ in range(rows - len(events))]
    lines = [*head, *panes, *events, *space, *foot]
    return [_cropped(line, width) for line in lines[:height]]


def _header(scene: Scene, width: int) -> Line:
    hello, status = scene.hello, scene.status
    left: Line = [("listener ", "bold"), (f"{hello.version}  {hello.model} on {hello.provider}", "")]
    if status is None:
        return left
    right = f"cpu {100 * status.cpu:.1f} %  up {text.duration(status.uptime_s)}"
    lost = ", ".join(f"{_plain(name)} lost {count}" for name, count in status.sinks.items() if count)
    return _spread(left, [*([(f"{lost}  ", "bold yellow")] if lost else []), (right, "dim")], width)


def _panes(scene: Scene, width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """One pane a source, side by side where there is room, with fewer labels where there is little."""
    names = list(dict.fromkeys([*scene.hello.sources, *scene.levels]))
    columns = max(1, min(len(names), width // PANE_WIDTH))
    gap = 3 * (columns > 1)
    each = (width - gap * (columns - 1)) // columns
    rows = -(-len(names) // columns)
    tall = max(1, height // max(rows, 1))
    lines: list[Line] = []
    for first in range(0, len(names), columns):
        panes = [_pane(scene, name, each, tall, glyphs) for name in names[first : first + columns]]
        for parts in zip_longest(*panes, fillvalue=[]):
            lines.append(_side_by_side([list(part) for part in parts], each, gap))
    return lines


def _pane(scene: Scene, name: str, width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """Title, meter, labels, counters and an empty line; what does not fit goes, the labels from below first."""
    level = scene.levels.get(name)
    status = scene.status.sources.get(name) if scene.status else None
    shown = max(0, min(TOP, height - 4))
    lines = [_title(name, level, status, width), _meter(level, width, glyphs)]
    lines += _labels(scene.hello, level, width, glyphs)[:shown]
    lines += [_counters(status), []]
    return lines[: max(1, height)]


def _title(name: str, level: wire.Level | None, status: wire.SourceStatus | None, width: int) -> Line:
    state = status.state if status else "starting"
    listens = state == "listening"
    left: Line = [(f"{_plain(name)}  ", "bold"), (state, "green" if listens else "bold yellow")]
    trouble = (status.trouble if listens else status.detail) if status else ""
    if trouble:
        left.append((f": {_plain(trouble)}", "yellow"))
    gate: Line = [("gate open", "bold green") if level and level.open else ("gate closed", "dim")]
    if status:
        gate.append((f" {100 * status.gate_duty:3.0f} % of time", "dim"))
    return _spread(left, gate, width)


def _meter(level: wire.Level | None, width: int, glyphs: Glyphs) -> Line:
    figures = "nothing heard yet"
    if level:
        floor = "" if level.floor_dbfs is None else f", floor {level.floor_dbfs:.0f}"
        figures = f"{level.level_dbfs:.0f} dBFS{floor}"
    loud = _share(level.level_dbfs) if level else 0.0
    floor_at = _share(level.floor_dbfs) if level and level.floor_dbfs is not None else None
    style = "red" if level and level.level_dbfs > -3 else "cyan"
    return _row("level", _bar(loud, floor_at, _bar_width(width), style, glyphs), figures, "")


def _share(level_dbfs: float) -> float:
    return 1 - level_dbfs / QUIETEST_DBFS


def _labels(hello: wire.Hello, level: wire.Level | None, width: int, glyphs: Glyphs) -> list[Line]:
    """Always as many lines, so that nothing below jumps."""
    top = sorted(level.top.items(), key=lambda entry: -entry[1])[:TOP] if level else []
    lines = [_label(label, score, hello.thresholds.get(label), width, glyphs) for label, score in top]
    return lines + [[] for _ in range(TOP - len(lines))]


def _label(label: str, score: float, threshold: float | None, width: int, glyphs: Glyphs) -> Line:
    over = threshold is not None and score >= threshold
    style = "bold green" if over else ""
    bar = _bar(score, threshold, _bar_width(width), "green" if over else "blue", glyphs)
    return _row(label, bar, f"{score:.2f}", style)


def _bar_width(width: int) -> int:
    return max(4, width - NAME_WIDTH - FIGURES_WIDTH)


def _row(name: str, bar: Line, figures: str, style: str) -> Line:
    return [(f"{_plain(name):<{NAME_WIDTH - 1}.{NAME_WIDTH - 1}} ", style), *bar, (f" {figures}", style)]


def _bar(share: float, mark: float | None, width: int, style: str, glyphs: Glyphs) -> Line:
    """A bar filled to `share`, with a mark across it: three pieces and what the mark splits."""
    full = round(min(max(share, 0.0), 1.0) * width)
    cells = [(glyphs.full * full, style), (glyphs.empty * (width - full), "dim")]
    if mark is None:
        return cells
    at = min(int(min(max(mark, 0.0), 1.0) * width), width - 1)
    bar = cells[0][0] + cells[1][0]
    if at < full:
        return [(bar[:at], style), (glyphs.mark, "bold yellow"), (bar[at + 1 : full], style), (bar[full:], "dim")]
    return [(bar[:full], style), (bar[full:at], "dim"), (glyphs.mark, "bold yellow"), (bar[at + 1 :], "dim")]


def _counters(status: wire.SourceStatus | None) -> Line:
    if status is None:
        return []
    heard = f"heard {text.duration(status.heard_s)}  {status.clips} clips  {status.inference_ms:.1f} ms each  "
    return [(heard, "dim"), (f"lost {text.duration(status.lost_s)}", "bold yellow" if status.lost_s else "dim")]


def _events(scene: Scene, rows: int, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """The newest first, the rows that are left."""
    if rows < 1:
        return
    title = f"{glyphs.rule * 2} events "
    yield [(f"{title:{glyphs.rule}<{width}}", "dim")]
    if not scene.events:
        yield [("nothing yet", "dim")]
    for event in islice(reversed(scene.events.values()), rows - 1):
        yield _event(event, scene.levels.get(event.source), glyphs)


def _event(event: wire.Event, level: wire.Level | None, glyphs: Glyphs) -> Line:
    on = event.phase in ("start", "update")
    until_s = event.end_s if event.end_s is not None else level.at_s if level else event.detected_s
    lasted = text.duration(until_s - event.start_s) + (" " + glyphs.dot * 3 if on else "")
    style = "bold green" if on else ""
    return [
        (f"{text.moment(event.start, event.start_s)}  ", "dim"),
        (f"{_plain(event.label):<20} ", style),
        (f"peak {event.peak:.2f}  ", ""),
        (f"{lasted:<16} ", style),
        (_plain(event.source), "dim"),
    ]


def _spread(left: Line, right: Line, width: int) -> Line:
    """Left and right with space between them; where there is too little, the left gives way."""
    room = max(0, width - _length(right) - 1)
    left = _cropped(left, room)
    return [*left, (" " * (width - _length(left) - _length(right)), ""), *right]


def _side_by_side(parts: list[Line], each: int, gap: int) -> Line:
    line: Line = []
    for part in parts:
        line += [*_cropped(part, each), (" " * (each - min(_length(part), each) + gap), "")]
    return line


def _cropped(line: Line, width: int) -> Line:
    kept: Line = []
    for piece, style in line:
        kept.append((piece[:width], style))
        width -= len(kept[-1][0])
    return kept


def _length(line: Line) -> int:
    return sum(len(piece) for piece, _ in line)


def _plain(name: str) -> str:
    """A name from a configuration, unable to move the cursor."""
    return "".join(char if char.isprintable() else "?" for char in name)
