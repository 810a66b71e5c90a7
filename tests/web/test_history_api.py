"""The history as the page asks for it."""

import sqlite3
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from listener.storage.history import History
from listener.web.history_api import MARKS

pytestmark = pytest.mark.usefixtures("database")


def span() -> dict[str, float]:
    return {"since": time.time() - 86_400, "until": time.time() + 60}


def test_pages_follow_each_other_from_the_latest_to_the_first_without_a_gap(page: httpx.Client) -> None:
    first = page.get("/api/history").json()
    second = page.get("/api/history", params={"before": first["next"]}).json()
    found = [event["id"] for event in (*first["events"], *second["events"])]
    assert found == [f"e{number}" for number in reversed(range(100))]
    assert second["next"] is None


def test_filters_are_of_label_microphone_time_and_score(page: httpx.Client) -> None:
    asked = {"label": "siren", "source": "kitchen", "min_score": 0.5, **span()}
    found = page.get("/api/history", params=asked).json()["events"]
    assert [event["id"] for event in found] == [f"e{number}" for number in reversed(range(51, 100, 3))]
    assert page.get("/api/history", params={"source": "garden"}).json()["events"] == []
    assert page.get("/api/history", params={"until": time.time() - 86_400}).json()["events"] == []


def test_counts_are_of_each_label_by_hour_of_the_day_and_by_day(page: httpx.Client) -> None:
    counts = page.get("/api/counts", params=span()).json()
    assert {label: sum(hours) for label, hours in counts["hours"].items()} == {"siren": 34, "dog_bark": 66}
    assert {label: sum(days.values()) for label, days in counts["days"].items()} == {"siren": 34, "dog_bark": 66}
    latest = time.localtime(time.time() - 60)
    assert counts["hours"]["siren"][latest.tm_hour] > 0
    assert time.strftime("%Y-%m-%d", latest) in counts["days"]["siren"]


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_counts_go_by_the_clocks_of_whoever_asks(page: httpx.Client, zone: str) -> None:
    marks = page.get("/api/marks", params=span()).json()["marks"]
    moments = [datetime.fromtimestamp(at, ZoneInfo(zone)) for at, *_ in marks]
    counts = page.get("/api/counts", params={"zone": zone, **span()}).json()
    hours = [sum(of_hour) for of_hour in zip(*counts["hours"].values(), strict=True)]
    days = Counter[str]()
    for of_label in counts["days"].values():
        days.update(of_label)
    assert hours == [sum(moment.hour == hour for moment in moments) for hour in range(24)]
    assert days == Counter(moment.date().isoformat() for moment in moments)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "Europe", "tzdata.zi", "\0", "x" * 999])
def test_a_time_zone_that_is_not_known_is_refused_in_words(page: httpx.Client, zone: str) -> None:
    answer = page.get("/api/counts", params={"zone": zone, **span()})
    assert (answer.status_code, answer.json()["code"]) == (400, "web-time-zone")


def test_counts_of_all_time_are_not_made(page: httpx.Client) -> None:
    answer = page.get("/api/counts")
    assert (answer.status_code, answer.json()["code"]) == (400, "web-counts-span")


def test_the_marks_of_a_day_say_when_how_long_what_and_how_surely(page: httpx.Client) -> None:
    found = page.get("/api/marks", params=span()).json()
    at, seconds, label, peak = found["marks"][0]
    assert found["all"]
    assert at == pytest.approx(time.time() - 60, abs=30)
    assert (seconds, label, peak) == (1.5, "siren", 0.99)


def test_of_a_day_with_more_events_than_a_picture_holds_it_is_said(page: httpx.Client, database: Path) -> None:
    columns = "at, label, source, model, peak, level_dbfs, start_s, detected_s, under_way"
    with sqlite3.connect(database) as connection:
        for turn in range(5):  # a hundred become 3200
            connection.execute(f"INSERT INTO events (id, {columns}) SELECT id || '.{turn}', {columns} FROM events")
    found = page.get("/api/marks", params=span()).json()
    assert (len(found["marks"]), found["all"]) == (MARKS, False)


def test_a_recording_comes_whole_and_in_parts(page: httpx.Client, database: Path) -> None:
    (database.parent / "clips").mkdir()
    (database.parent / "clips" / "a.flac").write_bytes(b"fLaC recording")
    history = History(database, keep_days=3650, max_mb=100)
    history.keep_clip("e7", "clips/a.flac", None)
    history.close()
    whole = page.get("/api/recordings/e7")
    assert (whole.headers["content-type"], whole.content) == ("audio/flac", b"fLaC recording")
    part = page.get("/api/recordings/e7", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"fLaC")


@pytest.mark.parametrize("event_id", ["e8", "nobody", "..%2Fhistory.db"])
def test_there_is_no_recording_but_those_of_events(page: httpx.Client, event_id: str) -> None:
    assert page.get(f"/api/recordings/{event_id}").status_code in (400, 404)


@pytest.mark.parametrize("asked", [{"since": "today"}, {"before": "1,x"}, {"min_score": "high"}])
def test_a_question_that_makes_no_sense_is_refused(page: httpx.Client, asked: dict[str, str]) -> None:
    assert page.get("/api/history", params=asked).status_code == 400


@pytest.mark.parametrize("number", ["9" * 20, "-" + "9" * 20, str(1 << 63)])
def test_a_page_before_a_number_that_no_event_can_have_is_refused(page: httpx.Client, number: str) -> None:
    asked = {"before": f"{time.time() + 60},{number}"}
    assert page.get("/api/history", params=asked).status_code == 400


def test_without_a_history_the_page_says_so(page: httpx.Client, database: Path) -> None:
    database.unlink()
    answer = page.get("/api/history")
    assert (answer.status_code, answer.json()["code"]) == (400, "test-no-history")


def test_a_file_of_an_earlier_version_gets_the_index_and_loses_the_one_before(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("DROP INDEX events_by_what")
        connection.execute("CREATE INDEX events_by_time ON events (at)")
    history = History(database, keep_days=3650, max_mb=100)
    history.open()
    history.close()
    with sqlite3.connect(database) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert {name for name in names if name.startswith("events_")} == {"events_by_what"}
