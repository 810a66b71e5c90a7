"""What keys do."""

from pathlib import Path

import msgspec
import pytest

from listener.messages import Command, State
from listener.tui.keys import PENDING, Step, pressed
from listener.tui.scene import Scene
from listener.tui.view import View
from listener.tuning.save_result import SaveResult
from tests.sinks.messages import level
from tests.tui.scenes import busy, row


def pressing(keys: str, scene: Scene) -> Step:
    """What the last of some keys does."""
    step = Step(View())
    for key in keys.split():
        step = pressed(key, scene, step.view)
    return step


def changed(**changes: object) -> Scene:
    plain: dict[str, object] = {"snoozed": {}, "listening_for": {}, "thresholds": {}}
    return busy().with_message(State(**plain | changes))


def test_up_and_down_select_the_neighbouring_label() -> None:
    assert pressing("down", busy()).view.label == "dog_bark"
    assert pressing("down down", busy()).view.label == "rain"
    assert pressing("down down down down down", busy()).view.label == "siren"
    assert pressing("down down up up up", busy()).view.label == "dog_bark"


def test_plus_and_minus_move_the_threshold_of_the_selected_label() -> None:
    assert pressing("down +", busy()).command == Command(command="threshold", what="dog_bark", on=0.55)
    assert pressing("down -", busy()).command == Command(command="threshold", what="dog_bark", on=0.45)


@pytest.mark.parametrize(("key", "now", "on"), [("+", 0.98, 0.999), ("-", 0.03, 0.01)])
def test_a_threshold_stays_possible(key: str, now: float, on: float) -> None:
    command = pressing(f"down {key}", changed(thresholds={"dog_bark": now})).command
    assert command is not None
    assert command.on == on


def test_zero_resets_the_threshold() -> None:
    assert pressing("down 0", busy()).command == Command(command="threshold", what="dog_bark")


@pytest.mark.parametrize("key", ["+", "-", "0", "s"])
def test_without_a_selected_label_the_notice_says_how_to_select_one(key: str) -> None:
    step = pressing(key, busy())
    assert (step.command, step.notice != "") == (None, True)


def test_m_mutes_the_source_and_wakes_it_again() -> None:
    assert pressing("m", busy()).command == Command(command="snooze", what="kitchen")
    assert pressing("m", changed(snoozed={"kitchen": None})).command == Command(command="wake", what="kitchen")


def test_s_snoozes_the_label() -> None:
    assert pressing("down s", busy()).command == Command(command="snooze", what="dog_bark")


@pytest.mark.parametrize(("key", "what"), [("m", "kitchen"), ("down s", "dog_bark")])
def test_what_another_snooze_suppresses_is_not_snoozed_again(key: str, what: str) -> None:
    step = pressing(key, changed(snoozed={"all": None}))
    assert step.command is None
    assert {what, "all"} <= set(step.notice.split())
    both = pressing(key, changed(snoozed={"all": None, what: None}))
    assert both.command == Command(command="wake", what=what)
    assert {what, "all"} <= set(both.notice.split())


def test_a_label_is_muted_by_its_group() -> None:
    scene = changed(snoozed={"animals": None})
    assert scene.hello is not None
    scene = scene.with_message(msgspec.structs.replace(scene.hello, groups={"animals": ["dog_bark"]}))
    assert "animals" in pressing("down s", scene).notice
    assert "snoozed" in row(scene, "dog_bark ")
    assert pressing("down down s", scene).command == Command(command="snooze", what="rain")


def test_a_threshold_close_to_1_has_three_decimals() -> None:
    high = changed(thresholds={"dog_bark": 0.98})
    assert "0.999" in pressing("down +", high).notice
    assert "from 0.98*" in row(high, "dog_bark ")
    assert "from 0.999*" in row(changed(thresholds={"dog_bark": 0.999}), "dog_bark ")


def test_sources_are_chosen_by_number_and_in_turn() -> None:
    scene = busy().with_message(level(source="garden"))
    assert pressing("2", scene).view.chosen(scene) == "garden"
    assert pressing("tab", scene).view.chosen(scene) == "garden"
    assert pressing("tab tab", scene).view.chosen(scene) == "kitchen"


def test_p_pauses_and_continues() -> None:
    assert pressing("p", busy()).view.paused
    assert not pressing("p p", busy()).view.paused


def test_any_key_leaves_the_help() -> None:
    assert pressing("?", busy()).view.page == "help"
    assert pressing("? x", busy()).view.page == ""


def test_w_saves_thresholds_once_one_is_changed() -> None:
    unchanged = pressing("w", busy())
    assert (unchanged.then, unchanged.notice != "") == ("", True)
    assert pressing("w", changed(thresholds={"rain": 0.6})).then == "save"


def test_saved_thresholds_are_pending_until_the_daemon_has_read_them() -> None:
    settings = {"precipitation": {"on": 0.6, "off": 0.4}}  # which is reported as rain
    written = View(label="rain", saved=SaveResult(settings, Path("config.toml"), thresholds={"rain": 0.6}))
    hello = busy().hello
    assert hello is not None
    read = busy().with_message(msgspec.structs.replace(hello, thresholds=hello.thresholds | {"rain": 0.6}))
    assert [pressed(key, busy(), written).notice.partition("; ")[2] for key in "0w"] == [PENDING, PENDING]
    assert [PENDING in pressed(key, read, written).notice for key in "0w"] == [False, False]


def test_q_quits_from_everywhere() -> None:
    assert pressing("? q", busy()).then == "quit"


@pytest.mark.parametrize("key", ["x", "\x1b", "\x1b[31~", "ü", "m", "+", "down", "tab", "1", "0", "w"])
def test_keys_do_nothing_before_the_first_daemon(key: str) -> None:
    assert pressed(key, Scene(), View()).command is None
