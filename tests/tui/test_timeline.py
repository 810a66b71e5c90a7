"""The last minutes as spans: now is at the right."""

from listener.messages import wall_clock
from listener.tui.scene import Scene
from listener.tui.timeline import timeline
from listener.tui.view import Snapshot
from tests.sinks.messages import HELLO, event, level
from tests.tui.scenes import column

NOW = 1_700_000_000.0


def drawn(scene: Scene, width: int = 80, rows: int = 3) -> list[str]:
    lines = timeline(Snapshot(scene, now=NOW), width, rows)
    return ["".join(piece for piece, _ in line) for line in lines]


def heard(number: int, ago_s: float, lasted_s: float, label: str = "siren") -> object:
    return event(number, label=label, start=wall_clock(NOW - ago_s), start_s=0.0, end_s=lasted_s, phase="end")


def test_a_span_lies_where_it_was_and_is_as_long_as_it_was() -> None:
    row = drawn(Scene(HELLO).with_message(heard(1, ago_s=60, lasted_s=20)))[1]
    assert row == " siren".ljust(80 - 12) + "━" * 4 + " " * 8


def test_a_span_lies_there_whatever_the_width_of_its_label() -> None:
    for label in ("犬", "a" + 20 * "犬", 40 * "\u0e01\u0e34"):
        row = drawn(Scene(HELLO).with_message(heard(1, ago_s=60, lasted_s=20, label=label)))[1]
        assert column(row, "━") == 80 - 12


def test_the_shortest_event_is_to_be_seen() -> None:
    assert drawn(Scene(HELLO).with_message(heard(1, ago_s=1, lasted_s=0.2)))[1].endswith(" ━")


def test_an_event_under_way_reaches_to_now() -> None:
    scene = Scene(HELLO).with_message(event(1, start=wall_clock(NOW - 20)))
    assert drawn(scene)[1].endswith(" ━━━━")


def test_a_file_has_its_own_time() -> None:
    scene = Scene(HELLO).with_message(level(at_s=62.5)).with_message(event(1, start_s=12.5, end_s=32.5, phase="end"))
    assert drawn(scene)[1].endswith("━" * 4 + " " * 6)


def test_each_label_has_a_row_the_last_heard_above_and_what_has_none_is_named() -> None:
    scene = Scene(HELLO)
    for number, label in enumerate(["rain", "rain", "siren", "dog_bark"]):
        scene = scene.with_message(heard(number, ago_s=50 - number, lasted_s=1, label=label))
    assert [line.split()[0] for line in drawn(scene)[1:]] == ["dog_bark", "siren", "rain"]
    assert drawn(scene, rows=2)[2] == " and siren, rain"


def test_what_is_long_ago_is_not_shown() -> None:
    assert drawn(Scene(HELLO).with_message(heard(1, ago_s=9999, lasted_s=20)))[1] == " no events"


def test_the_rule_tells_the_time() -> None:
    rule = drawn(Scene(HELLO), width=140)[0]
    assert len(rule) == 140
    assert rule.endswith(" now")
    assert 140 - rule.index("4 min ago") in range(44, 56)
