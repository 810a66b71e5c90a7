"""What a display remembers."""

import msgspec

from listener.messages import Hello
from listener.tui.scene import Scene
from tests.sinks.messages import HELLO, event, level
from tests.tui.scenes import busy, row


def test_an_event_under_way_grows_until_its_end() -> None:
    scene = Scene(HELLO).with_message(level(at_s=20.0)).with_message(event(1))
    assert "7.5 s ···" in row(scene, "peak")
    assert "3.2 s  " in row(scene.with_message(event(1, phase="end", seq=1, end_s=15.7)), "peak")


def test_the_newest_event_stands_first_and_old_ones_are_forgotten() -> None:
    scene = Scene(HELLO)
    for number in range(500):
        scene = scene.with_message(event(number, peak=number / 1000))
    assert "peak 0.50" in row(scene, "peak")
    assert len(scene.events) == 200


def test_an_event_that_is_told_again_from_its_start_stays_as_it_is() -> None:
    ended = Scene(HELLO).with_message(event(1)).with_message(event(1, phase="end", seq=1, end_s=15.7))
    assert ended.with_message(event(1)) == ended


def test_what_another_daemon_left_open_is_over() -> None:
    scene = Scene(HELLO).with_message(event(1))
    assert scene.with_message(HELLO).events["e1"].phase == "start"
    successor = Hello(**{name: getattr(HELLO, name) for name in HELLO.__struct_fields__} | {"pid": 2})
    assert scene.with_message(successor).events["e1"].phase == "end"


def test_what_another_daemon_calls_otherwise_is_no_pane_any_more() -> None:
    scene = busy().with_message(msgspec.structs.replace(HELLO, pid=2, sources=["garden"]))
    assert scene.sources == ["garden"]
    assert (scene.levels, scene.spectrograms) == ({}, {})


def test_labels_that_score_come_first_then_the_others() -> None:
    assert busy().ranked("kitchen") == [("dog_bark", 0.9), ("rain", 0.2), ("siren", 0.0)]
