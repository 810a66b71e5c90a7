"""The history sink: rows, and clips of what was asked for, in which nobody speaks."""

import logging
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile

from listener import config as configuration
from listener.daemon.build import build_pipeline, tracker_rules
from listener.daemon.daemon import Daemon
from listener.daemon.stream import Stream
from listener.errors import ConfigError, SinkError
from listener.messages import Command, Event, wall_clock
from listener.pipeline.bundle import Bundle
from listener.pipeline.values import ClipContext, Prediction, Span
from listener.routing.controls import Controls
from listener.routing.recorder import Recorder
from listener.routing.sink_worker import SinkBinding
from listener.sinks.history.recordings import EventRecorder, RecordingStore
from listener.sinks.history.sink import HistoryConfig, HistorySink
from listener.storage.history import History, Query, Reader, Row
from tests.fakes import FRAME, FakeClassifier, FakeSource, blocks, frames, noise, pcm
from tests.raising import raises
from tests.sinks.messages import HELLO, event
from tests.waiting import eventually

RATE = 16_000
LABELS = ("dog_bark", "siren", "speech", "children_playing")
HELLO_HERE = msgspec.structs.replace(HELLO, groups={"alarm": ["siren"]})


class Room:
    """A source that is recorded: it hears, and predicts, as it is told."""

    def __init__(self, labels: tuple[str, ...] = LABELS) -> None:
        self.labels = labels
        self.recorder = Recorder("kitchen", labels, RATE)
        self._heard = 0

    def hear(self, until_s: float) -> None:
        for start in range(self._heard, round(until_s * RATE), FRAME):
            self.recorder.on_frames(frames(start), np.array([True]))
        self._heard = round(until_s * RATE)

    def predict(self, stop_s: float, **scores: float) -> None:
        span = Span(round((stop_s - 3) * RATE), round(stop_s * RATE))
        row = np.array([scores.get(label, 0.0) for label in self.labels], np.float32)
        self.recorder.on_prediction(Prediction(span, row, ClipContext(span, -20.0)))


Opened = Callable[..., HistorySink]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    sinks = []

    def make(room: Room | None = None, controls: Controls | None = None, **changes: Any) -> HistorySink:
        settings: dict[str, Any] = {"path": str(tmp_path / "h.db"), "clips": ("dog_bark",)}
        sink = HistorySink(HistoryConfig(**settings | changes), HELLO_HERE)
        if controls:
            sink.set_controls(controls)
        if room:
            sink.add_recorder(room.recorder)
        sink.open()
        sinks.append(sink)
        return sink

    yield make
    for sink in sinks:
        sink.close()


@pytest.mark.parametrize("path", [".", "/", ".."])
def test_a_folder_for_a_file_is_said_when_it_is_opened(path: str) -> None:
    sink = HistorySink(HistoryConfig(path=path), HELLO_HERE)
    with pytest.raises(SinkError, match="regular file"):
        sink.open()


def emit(sink: HistorySink, number: int = 0, start_s: float = 10.0, end_s: float = 12.0, **changes: Any) -> None:
    start = wall_clock(time.time())
    sink.emit(event(number, start_s=start_s, start=start, **changes))
    sink.emit(event(number, start_s=start_s, start=start, seq=1, phase="end", end_s=end_s, **changes))


def rows(tmp_path: Path) -> list[Row]:
    reader = Reader(tmp_path / "h.db")
    found = list(reader.rows(Query()))
    reader.close()
    return found


def clips(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "h-clips").glob("*"))


def clip_of_one(tmp_path: Path, opened: Opened) -> Path:
    """What a sink that has closed leaves of one event, heard whole."""
    room = Room()
    sink = opened(room)
    room.hear(20)
    emit(sink)
    sink.close()
    (clip,) = clips(tmp_path)
    return clip


def test_every_event_is_a_row(tmp_path: Path, opened: Opened) -> None:
    sink = opened(clips=())
    emit(sink, 0)
    emit(sink, 1, label="rain")
    sink.close()
    sink.close()
    assert [(row.label, row.end_s, row.clip) for row in rows(tmp_path)] == [("dog_bark", 12, None), ("rain", 12, None)]
    assert not (tmp_path / "h-clips").exists()


def test_without_a_path_the_state_folder_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    sink = HistorySink(HistoryConfig(), HELLO)
    sink.open()
    sink.close()
    assert (tmp_path / "history.db").exists()


def test_audio_is_wanted_only_where_clips_are(tmp_path: Path) -> None:
    assert not HistorySink(HistoryConfig(path=str(tmp_path / "h.db")), HELLO).wants_audio
    assert HistorySink(HistoryConfig(path=str(tmp_path / "h.db"), clips=("siren",)), HELLO).wants_audio


def test_a_clip_is_the_event_with_its_pre_roll_as_flac(tmp_path: Path, opened: Opened) -> None:
    room = Room()
    sink = opened(room)
    room.hear(15.1)
    emit(sink, start_s=10.0, end_s=12.0)
    eventually(lambda: rows(tmp_path)[0].clip, "the clip is in the row")
    (row,) = rows(tmp_path)
    samples, rate = soundfile.read(tmp_path / (row.clip or ""), dtype="int16")
    assert (rate, soundfile.info(tmp_path / (row.clip or "")).format) == (RATE, "FLAC")
    np.testing.assert_array_equal(samples, (np.arange(8 * RATE, 12 * RATE) % 30_000 + 1).astype(np.int16))
    assert row.clip_note is None


def test_it_is_for_nobody_but_its_owner(tmp_path: Path, opened: Opened) -> None:
    clip = clip_of_one(tmp_path, opened)
    assert stat.S_IMODE(clip.stat().st_mode) == 0o600
    assert stat.S_IMODE(clip.parent.stat().st_mode) == 0o700


def following(tmp_path: Path, room: Room, clock: Callable[[], float] = time.monotonic) -> EventRecorder:
    """A recorder without its thread that follows an event from 10 to 12 s."""
    history = History(tmp_path / "h.db", keep_days=30, max_mb=100)
    history.open()
    store = RecordingStore(tmp_path / "h-clips", keep_days=30, max_mb=100)
    writer = EventRecorder(history, store, pre_s=2, max_s=20, speech=False, clock=clock)
    writer.add_recorder(room.recorder)
    writer.follow(event(start_s=10.0))
    writer.follow(event(start_s=10.0, phase="end", end_s=12.0))
    return writer


def test_it_waits_for_what_follows_the_event(tmp_path: Path) -> None:
    room = Room()
    room.hear(14.9)
    writer = following(tmp_path, room)
    writer.write_due()
    assert clips(tmp_path) == []
    room.hear(15.1)
    writer.write_due()
    assert len(clips(tmp_path)) == 1


def test_but_not_for_ever_where_the_source_has_gone(tmp_path: Path) -> None:
    now, room = 0.0, Room()
    room.hear(12.1)
    writer = following(tmp_path, room, lambda: now)
    now = 9.0
    writer.write_due()
    assert clips(tmp_path) == []
    now = 11.0
    writer.write_due()
    assert len(clips(tmp_path)) == 1


def test_closed_while_its_source_goes_on_it_writes_nothing_that_may_have_speech_in_it(
    tmp_path: Path, opened: Opened
) -> None:
    room = Room()
    sink = opened(room)
    room.hear(14.9)
    emit(sink, end_s=12.0)
    sink.close()
    (row,) = rows(tmp_path)
    assert (clips(tmp_path), row.clip_note) == ([], "no recording: its sink was closed before it was complete")


def test_of_a_source_that_is_over_it_writes_what_there_is(tmp_path: Path, opened: Opened) -> None:
    room = Room()
    sink = opened(room)
    room.hear(12.1)
    emit(sink, end_s=12.0)
    room.recorder.is_over = True
    sink.close()
    assert [row.clip for row in rows(tmp_path)] == [f"h-clips/{clip.name}" for clip in clips(tmp_path)] != []


def test_the_clip_that_the_sink_before_a_reload_wrote_stays(tmp_path: Path, opened: Opened) -> None:
    room = Room()
    before = opened(room)
    start = wall_clock(time.time())
    before.emit(event(start_s=10.0, start=start))
    room.hear(34)
    before.close()
    (clip,) = clips(tmp_path)
    after = opened(room)
    room.hear(100)  # so long that it could not write it again
    after.emit(event(start_s=10.0, start=start, seq=1, phase="end", end_s=99.0))
    after.close()
    (row,) = rows(tmp_path)
    assert (row.clip, row.clip_note, clip.exists()) == (f"h-clips/{clip.name}", None, True)


@pytest.mark.parametrize(
    ("stop_s", "kept"),
    [
        (4.9, True),  # pre-roll from 8 s, and 3 s before that
        (5.1, False),
        (11.0, False),
        (15.0, False),
        (17.9, False),  # it begins within 3 s after the end at 12 s
        (18.1, True),
    ],
)
def test_with_speech_in_it_or_beside_it_there_is_no_clip(
    stop_s: float, kept: bool, tmp_path: Path, opened: Opened
) -> None:
    room = Room()
    sink = opened(room)
    room.hear(30)
    room.predict(stop_s, speech=0.21, dog_bark=0.9)
    emit(sink)
    sink.close()
    (row,) = rows(tmp_path)
    assert bool(clips(tmp_path)) is kept
    assert bool(row.clip) is kept
    assert row.clip_note == (None if kept else "no recording: someone spoke")


def test_speech_that_comes_after_the_end_is_waited_for(tmp_path: Path, opened: Opened) -> None:
    room = Room()
    sink = opened(room)
    room.hear(12.5)
    emit(sink, end_s=12.0)
    room.hear(14.5)
    room.predict(14.5, children_playing=0.5)
    room.hear(16)
    eventually(lambda: rows(tmp_path)[0].clip_note, "the row says why there is no clip")
    assert clips(tmp_path) == []


def test_but_it_is_kept_where_the_user_asked_for_speech_too(tmp_path: Path, opened: Opened) -> None:
    room = Room()
    sink = opened(room, clip_speech=True)
    room.hear(20)
    room.predict(11, speech=0.99)
    emit(sink)
    sink.close()
    assert len(clips(tmp_path)) == 1


def test_a_clip_of_speech_itself_has_to_be_asked_for() -> None:
    with raises("history-speech"):
        HistorySink(HistoryConfig(clips=("speech",)), HELLO)


def test_a_model_that_knows_no_speech_gets_no_clips(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    room = Room(("dog_bark", "siren"))
    sink = opened(room)
    room.hear(20)
    emit(sink)
    sink.close()
    assert clips(tmp_path) == []
    assert "cannot tell" in (rows(tmp_path)[0].clip_note or "")
    assert "the model has no label 'speech'" in caplog.text


def test_an_unknown_label_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    HistorySink(HistoryConfig(clips=("dog_brk",)), HELLO)
    assert "'dog_bark'" in caplog.text


def test_only_labels_that_were_asked_for_have_clips(tmp_path: Path, opened: Opened) -> None:
    room = Room()
    sink = opened(room, clips=("alarm",))
    room.hear(20)
    emit(sink, 0, label="dog_bark")
    emit(sink, 1, label="siren")
    sink.close()
    assert [bool(row.clip) for row in rows(tmp_path)] == [False, True]
    assert len(clips(tmp_path)) == 1


def test_a_long_event_has_its_beginning_kept_while_it_lasts(tmp_path: Path, opened: Opened) -> None:
    room = Room()
    sink = opened(room, clip_most_s=5.0)
    start = wall_clock(time.time())
    sink.emit(event(start_s=10.0, start=start))
    room.hear(16.1)
    eventually(lambda: clips(tmp_path), "the clip is written before the event ends")
    room.hear(300)
    sink.emit(event(start_s=10.0, start=start, phase="end", end_s=290.0))
    sink.close()
    (clip,) = clips(tmp_path)
    assert soundfile.info(clip).frames == 5 * RATE
    assert rows(tmp_path)[0].clip == f"h-clips/{clip.name}"


@pytest.mark.parametrize("what", ["dog_bark", "kitchen", "all", "pets"])
def test_what_was_snoozed_meanwhile_is_not_kept(what: str, tmp_path: Path) -> None:
    controls = Controls(HELLO.labels, {"pets": ["dog_bark"]}, HELLO.sources)
    room = Room()
    hello = msgspec.structs.replace(HELLO, groups={"pets": ["dog_bark"]})
    sink = HistorySink(HistoryConfig(path=str(tmp_path / "h.db"), clips=("pets",)), hello)
    sink.set_controls(controls)
    sink.add_recorder(room.recorder)
    sink.open()
    room.hear(12)
    sink.emit(event(start_s=10.0))
    controls.execute(Command(command="snooze", what=what))
    room.hear(20)
    sink.emit(event(start_s=10.0, phase="end", end_s=12.0))
    sink.close()
    assert clips(tmp_path) == []
    assert rows(tmp_path)[0].clip_note == "no recording: snoozed before it was complete"


@pytest.mark.parametrize("what", ["kitchen", "all"])
def test_what_was_heard_while_the_source_was_muted_is_in_no_pre_roll(what: str, tmp_path: Path, opened: Opened) -> None:
    controls, room = Controls(HELLO.labels, {}, HELLO.sources), Room()
    sink = opened(room, controls)
    room.hear(5)
    controls.execute(Command(command="snooze", what=what))
    room.hear(9)
    controls.execute(Command(command="wake", what=what))
    room.hear(20)
    emit(sink, start_s=10.0, end_s=12.0)
    sink.close()
    (clip,) = clips(tmp_path)
    assert soundfile.info(clip).frames == 3 * RATE


def test_audio_that_has_gone_by_is_said(tmp_path: Path, opened: Opened) -> None:
    room = Room()
    sink = opened(room)
    room.hear(200)
    emit(sink)
    sink.close()
    assert rows(tmp_path)[0].clip_note == "no recording: its audio is no longer in memory"


def test_names_are_no_paths(tmp_path: Path, opened: Opened) -> None:
    room = Room()
    sink = opened(room, clips=("../../é/dog",))
    room.hear(20)
    emit(sink, label="../../é/dog")
    sink.close()
    (clip,) = clips(tmp_path)
    assert "/" not in clip.name
    assert rows(tmp_path)[0].clip == f"h-clips/{clip.name}"


def test_a_clip_that_cannot_be_written_costs_no_row(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    room = Room()
    sink = opened(room)
    (tmp_path / "h-clips").write_text("in the way")
    room.hear(20)
    emit(sink, 0)
    emit(sink, 1)
    sink.close()
    assert ["cannot be written" in (row.clip_note or "") for row in rows(tmp_path)] == [True, True]
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


def test_clips_that_cannot_be_written_are_said_once_an_episode(
    tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    room, folder = Room(), tmp_path / "h-clips"
    sink = opened(room)
    room.hear(20)
    for number, in_the_way in enumerate((True, False, True)):
        if in_the_way:
            folder.write_text("in the way")
        emit(sink, number)
        eventually(lambda number=number: _tried(rows(tmp_path)[number]), "its clip was tried")
        if in_the_way:
            folder.unlink()
        else:
            shutil.rmtree(folder)
    sink.close()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len([warning for warning in warnings if "no recording" in warning]) == 2


def _tried(row: Row) -> bool:
    return bool(row.clip or row.clip_note)


def write(folder: Path, name: str, at: float, size: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(bytes(size))
    os.utime(folder / name, (at, at))


def test_old_clips_are_deleted_and_the_oldest_of_too_many(tmp_path: Path) -> None:
    now = 1_800_000_000.0
    store = RecordingStore(tmp_path / "clips", keep_days=10, max_mb=0.0025, clock=lambda: now)
    for days in (11, 8, 6, 4, 2):
        write(store.path, f"{days}.flac", now - days * 86_400, 1000)
    write(store.path, "note.txt", 0, 1000)  # not ours
    assert dict(store.surplus()) == {
        "11.flac": "deleted: too old",
        "8.flac": "deleted to make room",
        "6.flac": "deleted to make room",
    }


def test_a_path_below_the_home_of_nobody_is_a_wrong_configuration() -> None:
    with pytest.raises(ConfigError) as caught:
        HistorySink(HistoryConfig(path="~nobody-of-that-name/h.db"), HELLO_HERE)
    assert caught.value.code == "home-unknown"


def test_the_row_says_that_its_clip_was_deleted(tmp_path: Path, opened: Opened) -> None:
    clip = clip_of_one(tmp_path, opened)
    os.utime(clip, (0, 0))
    again = opened(clips=())  # no more clips are wanted, and those of earlier days go when they are due
    again.close()
    (row,) = rows(tmp_path)
    assert clips(tmp_path) == []
    assert (row.clip, row.clip_note) == (None, "deleted: too old")


def test_no_clip_outlives_the_rows(tmp_path: Path, opened: Opened) -> None:
    clip = clip_of_one(tmp_path, opened)
    two_days_ago = time.time() - 2 * 86_400
    os.utime(clip, (two_days_ago, two_days_ago))
    opened(keep_days=1, clip_keep_days=30).close()
    assert clips(tmp_path) == []


def test_half_a_clip_of_a_killed_process_is_deleted(tmp_path: Path, opened: Opened) -> None:
    write(tmp_path / "h-clips", "x.flac.part", time.time(), 10)
    opened().close()
    assert clips(tmp_path) == []


def test_the_daemon_records_an_event_with_its_audio(tmp_path: Path, tiny: Bundle) -> None:
    """All of it: a source, a pipeline, the sink in its thread; the model is told to know speech."""
    barks = pcm(noise(8, -70))
    barks[2 * RATE : 3 * RATE] += pcm(noise(1, -12, seed=1))
    daemon, config = Daemon(), configuration.load(None)
    source = FakeSource(blocks(barks))
    rules = tracker_rules(config, tiny)
    told = type(rules)(
        **{name: getattr(rules, name) for name in rules.__slots__} | {"labels": ("hiss", "hum", "speech")}
    )
    loop = build_pipeline(config, tiny, FakeClassifier(3), source.name)
    assert not list(loop.tracker.reconfigure(told))
    stream = Stream(source, loop, daemon.publish, daemon.ended)
    sink = HistorySink(HistoryConfig(path=str(tmp_path / "h.db"), clips=("hiss",)), HELLO)
    daemon.run([stream], [SinkBinding("history", sink)])
    (row,) = rows(tmp_path)
    assert row.label == "hiss"
    assert row.end_s is not None
    samples, rate = soundfile.read(tmp_path / (row.clip or row.clip_note or ""), dtype="int16")
    start = round(max(0.0, row.start_s - 2.0) * rate)
    np.testing.assert_array_equal(samples, barks[start : round(row.end_s * rate)])


def test_a_whole_event_needs_no_start(tmp_path: Path, opened: Opened) -> None:
    room = Room()
    sink = opened(room)
    room.hear(20)
    whole: Event = event(phase=None, start_s=10.0, end_s=12.0)
    sink.emit(whole)
    sink.close()
    assert bool(rows(tmp_path)[0].clip)


def test_the_row_of_a_recording_is_changed_before_the_file_is_deleted(tmp_path: Path) -> None:
    """A kill in between leaves a file without a row, never a row that names a deleted file."""
    calls: list[str] = []

    class Rows(History):
        def forget_clip(self, clip: str, note: str) -> None:
            calls.append("row" if (tmp_path / clip).exists() else "row of a deleted file")
            super().forget_clip(clip, note)

    write(tmp_path / "h-clips", "old.flac", 0, 1000)
    history = Rows(tmp_path / "h.db", keep_days=30, max_mb=100)
    history.open()
    store = RecordingStore(tmp_path / "h-clips", keep_days=30, max_mb=100)
    EventRecorder(history, store, pre_s=2, max_s=20, speech=False).prune()
    history.close()
    assert calls == ["row"]
    assert clips(tmp_path) == []


def test_an_end_that_the_disk_did_not_take_is_stored_when_it_can_be(tmp_path: Path, opened: Opened) -> None:
    sink = opened(clips=())
    sink.emit(event(start_s=10.0))
    locked = sqlite3.connect(tmp_path / "h.db", isolation_level=None)
    connection = sink._history._database
    assert connection is not None
    connection.execute("PRAGMA busy_timeout = 1")
    locked.execute("BEGIN EXCLUSIVE")
    sink.emit(event(start_s=10.0, phase="end", end_s=12.0))
    assert (sink.waiting, sink.lost) == (1, 0)
    locked.execute("ROLLBACK")
    locked.close()
    sink.close()
    (row,) = rows(tmp_path)
    assert (row.under_way, row.end_s, row.note, sink.waiting) == (0, 12.0, None, 0)
