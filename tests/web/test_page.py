"""The page in a real browser."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from listener.messages import Command, Spectrum
from listener.storage.history import History
from listener.web.hub import PAGES
from tests.daemon.test_live_sinks import ALARM, RATE, alarm
from tests.sinks.messages import event, level, status
from tests.virtual import VirtualMic
from tests.waiting import eventually
from tests.web.chromium import Visit, chromium
from tests.web.conftest import Daemon, Start
from tests.web.conftest import browser as pictureless
from tests.web.stream import opened as streaming

VIEWS = ("Live", "History", "Labels", "Health")
MOST_BYTES = 150_000
PHONE = {"viewport": {"width": 390, "height": 844}}
ATTACHED = "document.querySelector('#state').textContent === 'listening'"
TOKEN = b"0123456789abcdef"
LOOKED_AT_AGAIN = """() => {
    for (const hidden of [true, false]) {
        Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
    }
}"""

NEXT_STATUS = """() => new Promise((come) => {
    const stream = new EventSource('/api/stream'), seen = [];
    stream.onmessage = ({ data }) => {
        if (JSON.parse(data).type === 'status' && seen.push(data) > 4) { stream.close(); come(); }
    };
})"""

Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture
def visit(browser: Any, start: Start) -> Iterator[Open]:
    """Opens the page of the test's daemon. It must end without a complaint on its console."""
    visits: list[Visit] = []
    url = start()

    def opened(**look: Any) -> Visit:
        visits.append(Visit(browser, url, **look))
        return visits[-1]

    yield opened
    for each in visits:
        each.context.close()
    assert [complaint for each in visits for complaint in each.complaints] == []


def spectrum(number: int, column: bytes = bytes(range(64))) -> Spectrum:
    """The columns of one block, 160 ms."""
    end_s = 0.16 * (number + 1)
    shown = {"column_s": 0.016, "low_db": -70.0, "high_db": 20.0, "mels": 64, "columns": 10 * column}
    return Spectrum(source="kitchen", at_s=end_s, **shown)


def log_in(visit: Visit) -> None:
    visit.page.get_by_label("token").fill(TOKEN.decode())
    visit.page.get_by_role("button", name="Log in").click()
    visit.page.wait_for_selector("#state.good")


def rows(visit: Visit) -> list[str]:
    return [row.inner_text() for row in visit.page.query_selector_all("#feed li")]


@pytest.mark.usefixtures("daemon")
def test_the_first_load_is_small_and_all_of_it_from_here(visit: Open) -> None:
    page = visit()
    page.until(ATTACHED)
    page.page.wait_for_selector(".pane canvas")
    assert page.bytes < MOST_BYTES
    assert len(page.hosts) == 1


def test_an_event_is_one_row_from_its_start_to_its_end(daemon: Daemon, visit: Open) -> None:
    page = visit()
    page.until(ATTACHED)
    daemon.socket.emit(event(1, start="2026-01-01T10:00:00.000Z"))
    page.page.wait_for_selector("#feed li.now")
    assert "dog bark" in page.page.inner_text("#spoken")
    ended = {"phase": "end", "end": "2026-01-01T10:00:03.200Z", "end_s": 15.7}
    daemon.socket.emit(event(1, seq=1, start="2026-01-01T10:00:00.000Z", **ended))
    page.page.wait_for_selector("#feed li:not(.now)")
    (row,) = rows(page)
    assert "dog bark" in row
    assert "3.2 s" in row


def test_the_list_of_events_does_not_grow_for_ever(daemon: Daemon, visit: Open) -> None:
    page = visit()
    page.until(ATTACHED)
    for number in range(300):
        daemon.socket.emit(event(number))
        if number % 50 == 49:  # slower than the socket's own bound
            page.page.wait_for_selector(f"#feed li[data-id=e{number}]")
    assert len(rows(page)) == 100


def test_level_gate_labels_and_spectrogram_are_drawn(daemon: Daemon, visit: Open) -> None:
    page = visit()
    eventually(lambda: daemon.socket.wants_spectrum, "the page is looked at")
    for number in range(12):
        daemon.socket.on_spectrum(spectrum(number))
        daemon.socket.on_level(level())
        time.sleep(0.05)
    page.until("document.querySelector('.figures').textContent === '\u221230 dBFS, floor \u221260, gate open'")
    assert page.page.inner_text(".top li.over").split() == ["dog", "bark", "0.90"]
    picture = "(() => { const c = document.querySelector('.graph'); return c.width && new Set(c.getContext('2d')"
    page.until(f"{picture}.getImageData(0, 0, c.width, c.height).data).size > 20; }})()")


def test_a_threshold_and_a_mute_take_effect_in_the_daemon_and_are_seen(daemon: Daemon, visit: Open) -> None:
    page, other = visit(), visit()
    for one in (page, other):
        one.until(ATTACHED)
        one.show("Labels")
    slider = page.page.get_by_label("Threshold of siren", exact=True)
    slider.focus()
    slider.press("ArrowRight")
    eventually(lambda: daemon.controls.state().thresholds == {"siren": 0.51}, "the daemon's threshold")
    other.until("[...document.querySelectorAll('#thresholds output')].some((out) => out.textContent === '0.51')")
    page.page.get_by_label("Snooze dog bark").select_option(label="1 hour")
    eventually(lambda: "dog_bark" in daemon.controls.state().snoozed, "the label is snoozed")
    other.page.get_by_label("Wake dog bark").click()
    eventually(lambda: daemon.controls.state().snoozed == {}, "it is reported again")


def test_a_label_that_is_snoozed_with_its_group_is_shown_as_snoozed(daemon: Daemon, visit: Open) -> None:
    daemon.controls.execute(Command(command="snooze", what="animals"))
    page = visit()
    page.until(ATTACHED)
    eventually(lambda: daemon.socket.wants_levels, "the page is visible")
    daemon.socket.on_level(level())
    page.until("document.querySelector('.top .tag:not([hidden])')?.title.includes('animals')")
    page.show("Labels")
    snoozed = "[...document.querySelectorAll('#thresholds .snoozed')].map((tag) => tag.textContent).filter(Boolean)"
    assert ["animals" in text for text in page.page.evaluate(snoozed)] == [True]


def test_changed_thresholds_can_be_saved(daemon: Daemon, visit: Open) -> None:
    page = visit()
    page.until(ATTACHED)
    page.show("Labels")
    assert not page.page.is_visible("#save")
    daemon.controls.execute(Command(command="threshold", what="siren", on=0.7))
    page.page.get_by_role("button", name="Save", exact=True).click()
    page.until("document.querySelector('#saved pre')?.textContent.includes('siren')")


def test_a_source_with_a_problem_is_not_called_listening(daemon: Daemon, visit: Open) -> None:
    page = visit()
    page.until(ATTACHED)
    daemon.status = status(trouble="only digital silence")
    page.until("document.querySelector('#state.bad')?.textContent === 'problem with kitchen'")
    page.until("document.querySelector('.condition.ill').textContent === 'only digital silence'")


CONTRAST = """() => {
    const lightness = (element) => {
        const context = new OffscreenCanvas(1, 1).getContext('2d');
        context.fillStyle = getComputedStyle(element).color;
        context.fillRect(0, 0, 1, 1);
        const linear = (value) => ((value / 255 + .055) / 1.055) ** 2.4;
        const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map(linear);
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const dark = document.documentElement.dataset.theme === 'dark', sheet = dark ? .012 : 1;
    const contrast = (a, b) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    return Math.min(...[...document.querySelectorAll('#feed .label')].map((name) => contrast(lightness(name), sheet)));
}"""


def test_names_of_labels_are_readable_after_the_theme_is_changed(daemon: Daemon, visit: Open) -> None:
    page = visit(color_scheme="light")
    page.until(ATTACHED)
    for number, label in enumerate(("dog_bark", "siren", "rain")):
        daemon.socket.emit(event(number, label=label))
    page.until("document.querySelectorAll('#feed .label').length === 3")
    for look in ("dark", "light"):
        page.page.get_by_role("button", name=f"Use the {look} theme").click()
        assert page.page.evaluate(CONTRAST) >= 4.5, look


def test_the_colours_of_sixty_labels_are_distinct(visit: Open) -> None:
    colours = """async () => {
        const { assign, colour } = await import('/page/colours.js');
        const labels = Array.from({ length: 60 }, (_, at) => `label_${at}`);
        assign(labels);
        return labels.map((label) => colour(label));
    }"""
    found = [
        tuple(map(float, each.removeprefix("oklch(").rstrip(")").split())) for each in visit().page.evaluate(colours)
    ]
    for lightness in {each[0] for each in found}:
        hues = sorted(each[2] for each in found if each[0] == lightness)
        assert min(b - a for a, b in itertools.pairwise(hues)) >= 11.9


def test_what_the_daemon_refuses_is_said_for_a_while_and_the_choice_is_taken_back(daemon: Daemon, visit: Open) -> None:
    page = visit()
    page.until(ATTACHED)
    page.show("Labels")
    choice = page.page.get_by_label("Snooze dog bark")
    daemon.controls.reconfigure(["siren", "rain"], {})  # as by a reload that the page has not heard of
    choice.select_option(label="8 hours")
    page.until("document.querySelector('#notice').textContent.includes('no label')")
    assert choice.input_value() == ""
    daemon.controls.execute(Command(command="snooze", what="rain"))  # and the next status does not take it away
    page.page.get_by_label("Wake rain").wait_for()
    page.page.evaluate(NEXT_STATUS)
    assert page.page.is_visible("#notice")
    page.complaints[:] = [said for said in page.complaints if "400" not in said]  # Chromium tells of what is refused


def test_a_slider_that_is_held_stays_where_it_is(daemon: Daemon, visit: Open) -> None:
    page = visit()
    page.until(ATTACHED)
    page.show("Labels")
    slider = page.page.get_by_label("Threshold of siren", exact=True)
    box = slider.bounding_box()
    page.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2)
    page.page.mouse.down()
    held = slider.input_value()
    assert float(held) > 0.7
    daemon.controls.execute(Command(command="snooze", what="rain"))
    page.page.get_by_label("Wake rain").wait_for()
    assert slider.input_value() == held
    page.page.mouse.up()
    eventually(lambda: daemon.controls.state().thresholds == {"siren": float(held)}, "the daemon's threshold")


def test_a_threshold_close_to_1_is_not_shown_as_1(daemon: Daemon, visit: Open) -> None:
    daemon.controls.execute(Command(command="threshold", what="siren", on=0.999))
    page = visit()
    page.until("[...document.querySelectorAll('#thresholds output')].map((out) => out.textContent).includes('0.999')")


def test_the_rarest_label_has_a_row_and_a_picture_that_is_cut_off_says_so(visit: Open) -> None:
    page = visit()
    drawn = """async () => {
        const { hours, timeline } = await import('/page/charts.js'), figure = document.querySelector('#hours');
        const labels = Array.from({ length: 26 }, (_, at) => `label_${at}`), perLabel = {}, marks = [];
        labels.forEach((label, at) => {
            perLabel[label] = Array(24).fill(30 - at);
            for (let n = at; n < 30; n++) marks.push([1e9 + n, 1, label, 0.9]);
        });
        const said = () => [figure.querySelectorAll('g').length, figure.querySelector('figcaption').textContent];
        hours(figure, perLabel);
        const seen = [figure.querySelectorAll('tbody tr').length, ...said()];
        timeline(figure, new Date(1e12), new Date(1e12 + 864e5), marks, false);
        return [...seen, ...said()];
    }"""
    assert page.page.evaluate(drawn) == [26, 26, "Hours of the day", 26, "Day, only its latest 455 events"]


def test_a_graph_keeps_its_events_in_other_colours_and_none_of_another_stream(daemon: Daemon, visit: Open) -> None:
    page = visit()
    page.until(ATTACHED)
    daemon.socket.emit(event(1))
    page.page.wait_for_selector("#feed li.now")
    looked = """async () => {
        const { onHello, panes, recolour } = await import('/page/live.js');
        const { graph } = panes.get('kitchen'), seen = [];
        recolour();
        seen.push(graph.spans.size);
        onHello({ pid: 2, sources: ['kitchen'] });
        seen.push(graph.spans.size);
        onHello({ pid: 2, sources: ['garden'] });
        seen.push(graph.closed);
        return seen;
    }"""
    assert page.page.evaluate(looked) == [1, 0, True]


def test_the_best_score_of_a_label_is_that_of_the_microphone_that_hears_it_best(daemon: Daemon, visit: Open) -> None:
    page = visit()
    page.until(ATTACHED)
    page.show("Labels")
    eventually(lambda: daemon.socket.wants_levels, "the page is looked at")
    daemon.socket.on_level(level(top={"dog_bark": 0.9}))
    daemon.socket.on_level(level(source="garden", top={"dog_bark": 0.1, "siren": 0.7}))
    bars = "[...document.querySelectorAll('#thresholds i')].map((bar) => bar.style.transform).join()"
    page.until(f"{bars}.includes('0.7')")
    assert page.page.evaluate(bars) == "scaleX(0.9),scaleX(0.7),scaleX(0)"


@pytest.mark.usefixtures("daemon", "database")
def test_the_history_is_counted_drawn_filtered_and_paged(visit: Open) -> None:
    page = visit()
    page.until(ATTACHED)
    page.show("History")
    page.until("document.querySelectorAll('#rows tr').length === 50")
    page.page.get_by_role("button", name="Older").click()
    page.until("!document.querySelector('#newer').disabled && document.querySelectorAll('#rows tr').length === 50")
    page.page.locator("[name=label]").select_option("siren")
    page.until("document.querySelectorAll('#rows tr').length === 34")
    page.page.locator("[name=min_score]").fill("0.9")
    page.page.locator("[name=min_score]").blur()
    page.until("document.querySelectorAll('#rows tr').length === 4")
    assert page.page.locator("#hours").inner_text().count("siren") >= 1
    page.page.locator("#days a").last.click()
    page.until("document.querySelector('#days figcaption').textContent === 'Day'")
    assert page.page.locator("#days rect").count() >= 1


@pytest.mark.usefixtures("daemon")
def test_a_recording_is_drawn_and_can_be_played(visit: Open, database: Path) -> None:
    soundfile.write(database.parent / "a.flac", 0.3 * np.sin(np.arange(32_000) / 5), 16_000)
    history = History(database, keep_days=3650, max_mb=100)
    history.keep_clip("e99", "a.flac", None)
    history.close()
    page = visit()
    page.until(ATTACHED)
    page.show("History")
    page.page.get_by_role("button", name="Play siren").click()
    page.until("document.querySelector('#recording-note').textContent.startsWith('2.0 s')")
    page.until("document.querySelector('#player').duration === 2")
    page.page.keyboard.press("Escape")
    page.page.wait_for_selector("#recording", state="hidden")


@pytest.mark.usefixtures("daemon")
def test_a_recording_that_comes_late_does_not_take_the_place_of_the_next(visit: Open, database: Path) -> None:
    history = History(database, keep_days=3650, max_mb=100)
    for name, seconds in (("e98", 3), ("e99", 1)):
        soundfile.write(database.parent / f"{name}.flac", 0.3 * np.sin(np.arange(seconds * RATE) / 5), RATE)
        history.keep_clip(name, f"{name}.flac", None)
    history.close()
    page, late = visit(), []
    page.page.route(
        "**/api/recordings/e98", lambda route: late.append(route) if is_fetched(route) else route.continue_()
    )
    playing = """async (id) => {
        const { play } = await import('/page/recording.js');
        document.querySelector('#recording').close();
        const shown = play({ id, label: 'siren', source: 'kitchen', at: 0 });
        if (id === 'e98') window.late = shown;
        else await shown;
        return document.querySelector('#recording-note').textContent;
    }"""
    page.page.evaluate(playing, "e98")
    eventually(lambda: page.page.evaluate("1") and late, "the first is asked for")
    assert page.page.evaluate(playing, "e99").startswith("1.0 s")
    late[0].continue_()
    page.page.evaluate("() => window.late")
    assert page.page.inner_text("#recording-note").startswith("1.0 s")


def is_fetched(route: Any) -> bool:
    """Whether it is asked for to be drawn; the player asks for it, too."""
    return bool(route.request.resource_type == "fetch")


@pytest.mark.usefixtures("daemon", "database")
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Asia/Kolkata"])
def test_the_hours_of_the_day_are_those_of_the_rows(visit: Open, zone: str) -> None:
    page = visit(timezone_id=zone)
    page.until(ATTACHED)
    page.show("History")
    page.page.locator("[name=min_score]").fill("0.99")
    page.page.locator("[name=min_score]").blur()
    page.until("document.querySelectorAll('#rows tr').length === 1")
    hour = "new Date(document.querySelector('#rows time').dateTime).getHours()"
    counted = "[...document.querySelectorAll('#hours title')].findIndex((said) => said.textContent.endsWith(': 1'))"
    page.until(f"{hour} === {counted}")


@pytest.mark.parametrize(("month", "length_h"), [(3, 23), (10, 25)])
def test_a_day_on_which_the_clocks_change_is_drawn_whole(visit: Open, month: int, length_h: int) -> None:
    page = visit(timezone_id="Europe/Berlin")
    sunday = {3: 29, 10: 25}[month]
    drawn = f"""async () => {{
        const {{ timeline }} = await import('/page/charts.js');
        const at = (hour) => new Date(2026, {month - 1}, {sunday}, hour), figure = document.querySelector('#days');
        document.querySelector('#history').hidden = false;
        timeline(figure, at(0), at(24), [[at(18) / 1000, 60, 'siren', 0.9]]);
        const line = figure.querySelector('line'), left = +line.getAttribute('x1'), right = +line.getAttribute('x2');
        const x = (what) => (+what.getAttribute('x') - left) / (right - left);
        return [x(figure.querySelector('rect')), x([...figure.querySelectorAll('text')].at(-1))];
    }}"""
    at_six = pytest.approx(1 - 6 / length_h)
    assert page.page.evaluate(drawn) == [at_six, at_six]


@pytest.mark.usefixtures("daemon")
def test_the_doctors_findings_are_words(visit: Open) -> None:
    page = visit()
    page.until(ATTACHED)
    page.show("Health")
    page.page.get_by_role("button", name="Run checks").click()
    page.until("document.querySelectorAll('#findings li').length === 2")
    assert "Connect a microphone." in page.page.inner_text("#findings .problem")


def test_a_daemon_that_comes_back_is_attached_again(tmp_path: Path, visit: Open) -> None:
    page = visit()
    page.until("document.querySelector('#notice').textContent.includes('listener run')")
    first = Daemon(tmp_path / "s")
    page.until(ATTACHED)
    first.socket.emit(event(1, start="2026-01-01T10:00:00.000Z"))
    page.page.wait_for_selector("#feed li.now")
    first.end()
    page.until("document.querySelector('#state').textContent === 'no daemon'")
    assert "end unknown" in rows(page)[0]
    assert ", now" not in rows(page)[0]
    second = Daemon(tmp_path / "s")
    page.until(ATTACHED)
    second.socket.emit(event(2))
    page.until("document.querySelectorAll('#feed li').length === 2")
    assert not page.page.is_visible("#notice")
    second.end()


@pytest.mark.usefixtures("daemon")
def test_the_form_takes_the_token(browser: Any, start: Start) -> None:
    page = Visit(browser, start(TOKEN))
    log_in(page)
    page.context.close()
    assert page.complaints == []


@pytest.mark.usefixtures("daemon")
def test_a_browser_whose_cookie_is_no_more_comes_to_the_form(browser: Any, start: Start) -> None:
    page = Visit(browser, start(TOKEN))
    log_in(page)
    page.context.clear_cookies()
    page.page.evaluate(LOOKED_AT_AGAIN)
    page.page.wait_for_url("**/login")
    page.context.close()


@pytest.mark.usefixtures("daemon")
def test_a_page_too_many_says_so_and_goes_on_when_there_is_room(browser: Any, start: Start) -> None:
    url = start()
    with pictureless(url) as others, ExitStack() as streams:
        for _ in range(PAGES):
            streams.enter_context(streaming(others))
        page = Visit(browser, url)
        page.until("document.querySelector('#notice').textContent.includes('too many pages are open')")
        streams.close()
        page.until(f"{ATTACHED} && document.querySelector('#notice').hidden")
        page.context.close()


@pytest.mark.usefixtures("daemon", "database")
def test_nothing_is_wider_than_a_phone(visit: Open) -> None:
    page = visit(**PHONE)
    page.until(ATTACHED)
    for view in VIEWS:
        page.show(view)
        assert page.page.evaluate("document.documentElement.scrollWidth") <= 390, view


@pytest.mark.usefixtures("daemon")
def test_recordings_can_be_played_on_a_phone(visit: Open, database: Path) -> None:
    history = History(database, keep_days=3650, max_mb=100)
    history.keep_clip("e99", "a.flac", None)
    history.keep_clip("e98", None, "no recording: the disk is full, and its owner has been told so")
    history.close()
    page = visit(**PHONE)
    page.until(ATTACHED)
    page.show("History")
    box = page.page.get_by_role("button", name="Play siren").bounding_box()
    assert box["x"] + box["width"] <= 390 - 14


@pytest.mark.usefixtures("daemon")
def test_it_is_dark_where_the_system_is_and_as_chosen_from_then_on(visit: Open) -> None:
    page = visit(color_scheme="dark")
    dark = "getComputedStyle(document.documentElement).backgroundColor === 'rgb(18, 20, 23)'"
    assert page.page.evaluate(dark)
    page.page.get_by_role("button", name="Use the light theme").click()
    assert not page.page.evaluate(dark)
    page.page.reload()
    assert not page.page.evaluate(dark)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_keeps_anybody_out(
    daemon: Daemon,
    visit: Open,
    scheme: str,
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="no axe (pip install axe-playwright-python)"
    )
    page = visit(color_scheme=scheme, reduced_motion="reduce")
    page.until(ATTACHED)
    daemon.socket.emit(event(1))
    daemon.socket.emit(event(2, label="siren", phase="end", end_s=14.0))
    daemon.socket.emit(event(3, label="rain"))
    for number in range(3):
        daemon.socket.on_spectrum(spectrum(number))
        daemon.socket.on_level(level())
    page.page.wait_for_selector("#feed li[data-id=e3]")
    for view in VIEWS:
        page.show(view)
        if view == "History":
            page.until("document.querySelectorAll('#rows tr').length === 50")
        if view == "Health":
            page.page.get_by_role("button", name="Run checks").click()
            page.until("document.querySelectorAll('#findings li').length === 2")
        found = axe.Axe().run(page.page).response["violations"]
        told = [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found]
        assert told == [], view


@pytest.mark.usefixtures("daemon")
def test_everything_is_reached_by_the_keyboard(visit: Open) -> None:
    page = visit()
    page.until(ATTACHED)
    page.page.keyboard.press("Tab")
    assert page.page.evaluate("document.activeElement.textContent") == "Skip to content"
    for name in VIEWS:
        page.page.keyboard.press("Tab")
        assert page.page.evaluate("document.activeElement.textContent") == name
    page.page.keyboard.press("Enter")
    page.page.wait_for_selector("#health", state="visible")
    assert page.page.evaluate("document.activeElement.id") == "main"


def test_where_no_motion_is_wanted_the_spectrogram_steps(daemon: Daemon, visit: Open) -> None:
    page = visit(reduced_motion="reduce")
    eventually(lambda: daemon.socket.wants_spectrum, "the page is looked at")
    for number in range(12):
        daemon.socket.on_spectrum(spectrum(number))
    has_pane = "async () => (await import('/page/live.js')).panes.has('kitchen')"
    eventually(lambda: page.page.evaluate(has_pane), "the microphone's pane")
    counted = """async () => {
        const { panes } = await import('/page/live.js');
        const graph = panes.get('kitchen').graph, seen = new Set(), began = performance.now();
        while (performance.now() - began < 2500) { await new Promise(requestAnimationFrame); seen.add(graph.drawnAt); }
        return seen.size;
    }"""
    assert page.page.evaluate(counted) <= 4


def test_a_sound_in_the_microphone_is_a_row_on_the_page(browser: Any, virtual_mic: VirtualMic, tmp_path: Path) -> None:
    """The daemon, which starts the page's program by its sink, and the browser: nothing between them is made up."""
    config = tmp_path / "config.toml"
    config.write_text(
        f'[[sink]]\nkind = "socket"\npath = "{tmp_path}/s"\n'
        f'[[sink]]\nkind = "web"\naddress = "127.0.0.1:18787"\nconfig = "{config}"\n'
    )
    command = [sys.executable, "-m", "listener", "run", "--plain", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=dict(os.environ)) as daemon:
        assert daemon.stderr
        assert any(b"listening" in line for line in daemon.stderr)
        page = arrived(browser, "http://127.0.0.1:18787/")
        page.until(ATTACHED)
        virtual_mic.play(alarm(), RATE)
        page.page.wait_for_selector(f"#feed li:has-text('{ALARM.replace('_', ' ')}')")
        heard = page.page.evaluate("document.querySelector('.graph').width")
        page.context.close()
        daemon.send_signal(signal.SIGTERM)
        _, complaint = daemon.communicate(timeout=20)
    assert heard > 0
    assert page.complaints == []
    assert b"Traceback" not in complaint


def arrived(browser: Any, url: str) -> Visit:
    """The page, once its program answers."""
    opened: list[Visit] = []

    def tried() -> bool:
        try:
            opened.append(Visit(browser, url))
        except Exception as err:
            if "ERR_CONNECTION_REFUSED" not in str(err):
                raise
            return False
        return True

    eventually(tried, "the page's program answers", 60)
    return opened[-1]
