"""What keys do."""

from pathlib import Path

import msgspec
import pytest

from listener.messages import Command, State
from listener.tui.keys import WAITS, Step, pressed
from listener.tui.scene import Scene
from listener.tui.view import View
from listener.tuning.save_result import SaveResult
from tests.sinks.messages import level
from tests.tui.scenes import busy, row


def after(keys: str, scene: Scene) -> Step:
    """What the last of some keys does."""
    step = Step(View())
    for key in keys.split():
        step = pressed(key, scene, step.view)
    return step


def changed(**changes: object) -> Scene:
    plain: dict[str, object] = {"snoozed": {}, "listening_for": {}, "thresholds": {}}
    return busy().after(State(**plain | changes))


def test_labels_are_selected_as_they_stand_and_the_ends_hold() -> None:
    assert after("down", busy()).view.label == "dog_bark"
    assert after("down down", busy()).view.label == "rain"
    assert after("down down down down down", busy()).view.label == "siren"
    assert after("down down up up up", busy()).view.label == "dog_bark"


def test_plus_and_minus_move_the_threshold_of_the_selected_label() -> None:
    assert after("down +", busy()).command == Command(command="threshold", what="dog_bark", on=0.55)
    assert after("down -", busy()).command == Command(command="threshold", what="dog_bark", on=0.45)


@pytest.mark.parametrize(("key", "now", "on"), [("+", 0.98, 0.999), ("-", 0.03, 0.01)])
def test_a_threshold_stays_possible(key: str, now: float, on: float) -> None:
    command = after(f"down {key}", changed(thresholds={"dog_bark": now})).command
    assert command is not None
    assert command.on == on


def test_nought_takes_the_configured_threshold_again() -> None:
    assert after("down 0", busy()).command == Command(command="threshold", what="dog_bark")


@pytest.mark.parametrize("key", ["+", "-", "0", "s"])
def test_without_a_selected_label_it_says_how_to_select_one(key: str) -> None:
    step = after(key, busy())
    assert step.command is None
    assert "select a label" in step.notice


def test_m_mutes_the_source_and_wakes_it_again() -> None:
    assert after("m", busy()).command == Command(command="snooze", what="kitchen")
    assert after("m", changed(snoozed={"kitchen": None})).command == Command(command="wake", what="kitchen")


def test_s_snoozes_the_label() -> None:
    assert after("down s", busy()).command == Command(command="snooze", what="dog_bark")


@pytest.mark.parametrize(("key", "what"), [("m", "kitchen"), ("down s", "dog_bark")])
def test_what_is_muted_with_others_is_not_muted_again_and_says_by_what(key: str, what: str) -> None:
    step = after(key, changed(snoozed={"all": None}))
    assert step.command is None
    assert step.notice.startswith(f"{what} is not reported while all is snoozed")
    both = after(key, changed(snoozed={"all": None, what: None}))
    assert both.command == Command(command="wake", what=what)
    assert "stays unreported while all is snoozed" in both.notice


def test_a_label_is_muted_by_its_group() -> None:
    scene = changed(snoozed={"animals": None})
    assert scene.hello is not None
    scene = scene.after(msgspec.structs.replace(scene.hello, groups={"animals": ["dog_bark"]}))
    assert "while animals is snoozed" in after("down s", scene).notice
    assert "snoozed" in row(scene, "dog_bark ")
    assert after("down down s", scene).command == Command(command="snooze", what="rain")


def test_a_threshold_close_to_1_is_not_said_to_be_1() -> None:
    high = changed(thresholds={"dog_bark": 0.98})
    assert "from 0.999 on" in after("down +", high).notice
    assert "from 0.98*" in row(high, "dog_bark ")
    assert "from 0.999*" in row(changed(thresholds={"dog_bark": 0.999}), "dog_bark ")


def test_sources_are_chosen_by_number_and_in_turn() -> None:
    scene = busy().after(level(source="garden"))
    assert after("2", scene).view.chosen(scene) == "garden"
    assert after("tab", scene).view.chosen(scene) == "garden"
    assert after("tab tab", scene).view.chosen(scene) == "kitchen"


def test_p_pauses_and_goes_on() -> None:
    assert after("p", busy()).view.paused
    assert not after("p p", busy()).view.paused


def test_any_key_leaves_the_help() -> None:
    assert after("?", busy()).view.page == "help"
    assert after("? x", busy()).view.page == ""


def test_w_keeps_thresholds_once_there_is_one_to_keep() -> None:
    assert "no threshold is changed" in after("w", busy()).notice
    assert after("w", changed(thresholds={"rain": 0.6})).then == "keep"


def test_after_w_the_daemon_is_on_the_old_file_until_it_has_read_the_new_one() -> None:
    settings = {"precipitation": {"on": 0.6, "off": 0.4}}  # which is reported as rain
    written = View(label="rain", kept=SaveResult(settings, Path("config.toml"), thresholds={"rain": 0.6}))
    hello = busy().hello
    assert hello is not None
    read = busy().after(msgspec.structs.replace(hello, thresholds=hello.thresholds | {"rain": 0.6}))
    assert [pressed(key, busy(), written).notice.partition("; ")[2] for key in "0w"] == [WAITS, WAITS]
    assert [WAITS in pressed(key, read, written).notice for key in "0w"] == [False, False]


def test_q_quits_from_everywhere() -> None:
    assert after("? q", busy()).then == "quit"


@pytest.mark.parametrize("key", ["x", "\x1b", "\x1b[31~", "ü", "m", "+", "down", "tab", "1", "0", "w"])
def test_no_key_fails_where_there_is_nothing_yet(key: str) -> None:
    assert pressed(key, Scene(), View()).command is None
