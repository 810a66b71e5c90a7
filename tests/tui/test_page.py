"""What the picture shows at any size."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from listener.messages import Refusal, State
from listener.tui.keys import HELP
from listener.tui.lines import ASCII, UNICODE, Glyphs
from listener.tui.page import draw
from listener.tui.scene import Scene
from listener.tui.view import Page, Snapshot, View
from listener.tuning.save_result import SaveResult
from tests.sinks.messages import HELLO, event, level, status
from tests.tui.scenes import busy, column, row, rows, spectrum

WIDE = "日本語Ａ🐕한"  # two cells each
NAMES = st.text() | st.text(WIDE) | st.text(WIDE + "a\u0301\u093f\ufe0f")

GLYPHS = [UNICODE, ASCII, replace(UNICODE, colours=False), replace(ASCII, colours=False)]


def test_the_source_shows_its_state_gate_and_duty() -> None:
    title = row(busy(), "listening")
    assert "kitchen" in title
    assert "gate open" in title
    assert "12 % of time" in title


def test_a_source_in_trouble_says_what_it_is() -> None:
    scene = Scene(HELLO).with_message(status(state="recovering", detail="unplugged"))
    assert "recovering: unplugged" in row(scene, "kitchen")


def test_a_source_that_listens_to_nothing_says_so() -> None:
    scene = Scene(HELLO).with_message(status(detail="USB, 48000 Hz", trouble="silence"))
    assert "listening: silence" in row(scene, "kitchen", 120)


def test_the_meter_shows_level_and_floor() -> None:
    meter = row(busy(), "dBFS")
    assert "-30 dBFS, floor -60" in meter
    assert 0 < meter.index("┃") < meter.index("─")


def test_a_label_over_its_threshold_reaches_past_the_mark() -> None:
    assert "━┃━" in row(busy(), "0.90")
    assert "─┃─" in row(busy(), "0.20")


def test_a_threshold_that_a_user_has_changed_is_marked() -> None:
    assert row(busy(), "0.90").endswith("from 0.50")
    changed = busy().with_message(State(snoozed={"rain": None}, listening_for={}, thresholds={"dog_bark": 0.7}))
    assert row(changed, "0.90").endswith("from 0.70*")
    assert row(changed, "rain").endswith("snoozed")


def test_the_selected_label_is_shown_whatever_it_scores() -> None:
    scene = replace(busy(), hello=replace_labels(30))
    assert "▸l29" in row(Snapshot(scene, View(label="l29")), "l29")
    assert not any("l29" in line for line in rows(scene))


def replace_labels(count: int) -> "object":
    labels = [f"l{number}" for number in range(count)]
    return type(HELLO)(**{name: getattr(HELLO, name) for name in HELLO.__struct_fields__} | {"labels": labels})


def test_lost_audio_and_processing_time_are_shown() -> None:
    counters = row(busy(), "heard")
    assert "4.2 ms" in counters
    assert "lost 1.3 s" in counters


def test_each_sink_says_what_waits_in_it_and_what_it_lost() -> None:
    told = type(status())(uptime_s=1, cpu=0.01, sources={}, sinks={"log": 0, "mqtt": 2}, waiting={"log": 0, "mqtt": 7})
    assert " to log · mqtt 7 waiting 2 lost" in rows(busy().with_message(told))


def test_the_log_line_stands_at_the_foot_beside_the_keys() -> None:
    foot = rows(busy())[23]
    assert foot.startswith(" lost 1.3 s of audio ")
    assert foot.rstrip().endswith("? help")


def test_what_the_daemon_refuses_is_said() -> None:
    assert "unknown" in rows(busy().with_message(Refusal(message="unknown")))[23]


def test_two_sources_stand_side_by_side_where_there_is_room() -> None:
    scene = busy().with_message(level(source="garden"))
    assert any("kitchen" in line and "garden" in line for line in rows(scene, 130, 40))


def test_where_there_is_no_room_the_chosen_source_is_shown() -> None:
    scene = busy().with_message(level(source="garden"))
    assert not any("2 garden" in line for line in rows(scene))
    shown = rows(Snapshot(scene, View(source="garden")))
    assert any("▸2 garden" in line for line in shown)
    assert not any("1 kitchen" in line for line in shown)


def test_a_paused_picture_says_so() -> None:
    assert "paused" in rows(Snapshot(busy(), View(paused=True)))[0]


def test_a_muted_source_says_so() -> None:
    muted = busy().with_message(State(snoozed={"kitchen": None}, listening_for={}, thresholds={}))
    assert "muted" in row(muted, "gate open")


def test_without_a_daemon_it_says_how_to_start_one_and_since_when_it_waits() -> None:
    shown = rows(Scene().with_absence(0.0, "absent"))
    assert any("absent" in line for line in shown)
    assert any("waiting since" in line for line in shown)


def test_when_the_daemon_has_gone_the_picture_stands_without_colour_and_says_so() -> None:
    lines = draw(Snapshot(busy().with_absence(0.0, "ended").with_absence(9.0, "no daemon is running")), 80, 24)
    assert any("gate open" in "".join(piece for piece, _ in line) for line in lines)
    assert "ended" in "".join(piece for piece, _ in lines[23])
    assert {style for line in lines[:23] for _, style in line if "#" not in style} == {"dim"}


def test_a_daemon_that_greets_again_brings_the_colours_back() -> None:
    assert busy().with_absence(0.0, "ended").with_message(HELLO).absence is None


def test_the_help_names_the_keys() -> None:
    shown = "\n".join(rows(Snapshot(busy(), View(page="help"))))
    assert all(line in shown for keys, meaning in HELP for line in (keys, meaning))


def test_thresholds_are_spelled_as_the_configuration_wants_them() -> None:
    saved = SaveResult({"dog_bark": {"on": 0.7, "off": 0.4}, "my label": {"on": 0.55}})
    assert saved.lines == ["[labels.dog_bark]", "on = 0.7", "off = 0.4", '[labels."my label"]', "on = 0.55"]


def test_the_page_after_saving_shows_where_or_why_not() -> None:
    path, settings = Path("/home/me/config.toml"), {"rain": {"on": 0.55}}
    written = saved_page(SaveResult(settings, path, Path("/home/me/config.toml.bak")))
    refused = saved_page(SaveResult(settings, why="too far away"))
    unchanged = saved_page(SaveResult({}, path))
    assert all(words in written for words in ("on = 0.55", "config.toml", "config.toml.bak"))
    assert all(words in refused for words in ("on = 0.55", "too far away"))
    assert str(path) in unchanged
    assert len({page.splitlines()[0] for page in (written, refused, unchanged)}) == 3


def test_a_path_that_is_longer_than_the_window_is_shown_whole() -> None:
    path = Path("/home") / ("deep/" * 40) / "config.toml"
    assert str(path) in "".join(line.strip() for line in saved_page(SaveResult({}, path)).splitlines())


def saved_page(saved: SaveResult) -> str:
    return "\n".join(rows(Snapshot(busy(), View(page="saved", saved=saved))))


def test_a_window_that_is_too_small_says_what_it_is() -> None:
    shown = "\n".join(rows(busy(), 40, 10))
    assert "40x10" in shown
    assert "56x14" in shown


def test_a_name_cannot_move_the_cursor() -> None:
    named = busy().with_message(event(3, source="\x1b[2J", label="\x1b[H")).with_notice("\x1b[2J")
    assert "\x1b" not in "".join(rows(named.with_absence(0.0, "\x1b[2J")))


def test_ascii_is_ascii() -> None:
    assert "".join(rows(Snapshot(busy(), glyphs=ASCII))).isascii()
    assert "".join(rows(Snapshot(busy(), View(page="help"), ASCII))).isascii()
    assert "".join(rows(Snapshot(busy(), glyphs=replace(ASCII, colours=False)))).isascii()


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 100),
    st.lists(NAMES, min_size=1, max_size=10),
    st.sampled_from(GLYPHS),
    st.sampled_from(["", "help", "saved"]),
)
def test_it_fits_into_any_window(width: int, height: int, names: list[str], glyphs: Glyphs, page: Page) -> None:
    label, *sources = names
    scene = busy().with_notice(label)
    for number, source in enumerate(sources):
        scene = scene.with_message(level(source=source, top={label: 0.9})).with_message(spectrum(source=source))
        scene = scene.with_message(event(number, source=source, label=label))
    view = View(page=page, saved=SaveResult({label: {"on": 0.5}}, why=label))
    for shown in (scene, Scene().with_absence(0.0, label)):
        lines = rows(Snapshot(shown, view, glyphs, now=100.0), width, height)
        assert len(lines) <= height
        assert all(cell_len(line) <= width for line in lines)


def test_wide_names_leave_columns_where_they_are() -> None:
    scene = busy()
    for number, name in enumerate([WIDE, "a" + 3 * WIDE, "garden"]):
        scene = scene.with_message(level(source=name, top={name: 0.9})).with_message(
            event(number, label=name[:10], source=name)
        )
    lines = rows(scene, 130, 40)
    assert [column(line, word) for word in ("2 " + WIDE, "4 garden") for line in lines if word in line] == [67, 67]
    assert {column(line, "0.90") % 66 for line in lines if "0.90" in line} == {42}  # a pane and the gap are 66
    assert {column(line, "peak") for line in lines if "peak" in line} == {32}


def test_a_long_reason_of_wide_characters_is_shown_whole() -> None:
    shown = saved_page(SaveResult({"rain": {"on": 0.55}}, why=40 * WIDE))
    assert sum(shown.count(char) for char in WIDE) == 40 * len(WIDE)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (56, 14), (140, 40)])
def test_a_large_enough_window_is_filled(width: int, height: int) -> None:
    assert len(rows(busy(), width, height)) == height
