"""The daemon by behaviour: what ends, fails, is slow or hangs harms nothing else, and the end is an end."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener import config as configuration
from listener import messages
from listener.daemon.build import build_pipeline
from listener.daemon.daemon import Daemon
from listener.daemon.stream import DEAF_S, Stream
from listener.errors import ClassifierError, ListenerError, SinkError, SourceError
from listener.messages import Command, Event, Level, SourceState, Status
from listener.pipeline.bundle import Bundle
from listener.pipeline.values import Block, Features, Prediction
from listener.routing.controls import Controls
from listener.routing.sink import BaseSink
from listener.routing.sink_worker import SinkBinding, SinkWorker
from listener.sources.base import BaseSource, Report
from listener.sources.command import CommandConfig, CommandSource
from listener.sources.file import File, FileConfig
from listener.sources.stdin import Stdin, StdinConfig
from tests.fakes import FakeClassifier, FakeSink, FakeSource, FakeViewer, blocks, noise, pcm
from tests.sinks.messages import event as message
from tests.waiting import eventually

BARKS = pcm(noise(6, -70))
BARKS[2 * 16_000 : 3 * 16_000] += pcm(noise(1, -12, seed=1))
Classify = Callable[[Features], Prediction]


def stream(source: BaseSource, daemon: Daemon, bundle: Bundle, classify: "Classify | None" = None) -> Stream:
    config = configuration.load(None)
    loop = build_pipeline(config, bundle, classify or FakeClassifier(3), source.name)
    return Stream(source, loop, daemon.publish, daemon.ended)


def run(
    sources: list[BaseSource], sinks: Sequence[BaseSink], bundle: Bundle, classify: "Classify | None" = None
) -> None:
    daemon = Daemon()
    daemon.run(
        [stream(source, daemon, bundle, classify) for source in sources],
        [SinkBinding(f"{i}", s) for i, s in enumerate(sinks)],
    )


@pytest.fixture
def background() -> Iterator[Callable[..., threading.Thread]]:
    """Runs a call in a thread, which must have ended at the end of the test."""
    threads = []

    def start(call: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=call)
        thread.start()
        threads.append(thread)
        return thread

    yield start
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_the_end_of_the_file_ends_the_daemon_and_every_event_got_out(tiny: Bundle) -> None:
    sink = FakeSink()
    run([FakeSource(blocks(BARKS))], [sink], tiny)
    assert [event.phase for event in sink.events] == ["start", "end"]
    assert sink.calls == ["open", "close"]


def test_a_source_that_is_not_live_loses_nothing_to_a_slow_classifier(tiny: Bundle) -> None:
    def slow(features: Features) -> Prediction:
        time.sleep(0.03)
        return FakeClassifier(3)(features)

    sink = FakeSink()
    daemon = Daemon()
    listening = stream(FakeSource(blocks(pcm(noise(60, -12)))), daemon, tiny, slow)
    daemon.run([listening], [SinkBinding("sink", sink)])
    assert listening.status().lost_s == 0
    assert listening.status().heard_s == pytest.approx(60, abs=0.1)


def test_a_live_source_loses_its_oldest_audio_and_counts_it(tiny: Bundle) -> None:
    def slow(features: Features) -> Prediction:
        time.sleep(0.2)
        return FakeClassifier(3)(features)

    daemon = Daemon()
    listening = stream(FakeSource(blocks(pcm(noise(60, -12))), live=True), daemon, tiny, slow)
    daemon.run([listening], [])
    status = listening.status()
    assert status.lost_s > 30
    assert status.heard_s + status.lost_s == pytest.approx(60, abs=0.1)


def test_a_source_that_loses_audio_again_and_again_is_in_trouble(
    tiny: Bundle, background: Callable[..., threading.Thread]
) -> None:
    go_on = threading.Semaphore(0)

    def gaps() -> Iterator[Block]:
        for number in range(5):
            yield Block(number * 2 * 640, 16_000, pcm(noise(0.04, -60))[:, None])
            go_on.acquire(timeout=20)

    daemon = Daemon()
    listening = stream(FakeSource(gaps(), live=True), daemon, tiny)
    background(lambda: daemon.run([listening], []))
    for lost_s in (0.04, 0.08, 0.12, 0.16):
        assert not listening.status().trouble or lost_s > 0.12
        go_on.release()
        eventually(lambda due=lost_s: listening.status().lost_s == due)  # type: ignore[misc]
        listening.report_losses(time.monotonic())
    assert "does not keep up" in listening.status().trouble
    go_on.release()


def test_a_muted_microphone_is_noticed_though_it_comes_through_a_pipe(
    tiny: Bundle, background: Callable[..., threading.Thread]
) -> None:
    silence = [replace(block, captured_at=1e9) for block in blocks(np.zeros(11 * 16_000, np.int16))]
    source, daemon = FakeSource(silence, then="wait"), Daemon()
    listening = stream(source, daemon, tiny)
    background(lambda: daemon.run([listening], []))
    eventually(lambda: "digital silence" in listening.status().trouble, "it is noticed")
    daemon.stop()


def test_what_is_changed_while_a_source_is_silent_does_not_wait_for_it(
    tiny: Bundle, background: Callable[..., threading.Thread]
) -> None:
    daemon = Daemon()
    listening = stream(FakeSource(blocks(BARKS), live=True, then="wait"), daemon, tiny)
    background(lambda: daemon.run([listening], []))
    eventually(lambda: listening.status().heard_s > 5.9)
    listening.retune("bark", 0.5)
    eventually(lambda: not listening._changes, "the change is made")
    daemon.stop()


def test_a_failing_classifier_ends_the_daemon_with_its_error(tiny: Bundle) -> None:
    def broken(_: Features) -> Prediction:
        raise ClassifierError("no")

    with pytest.raises(ClassifierError):
        run([FakeSource(blocks(BARKS), then="wait")], [FakeSink()], tiny, broken)


def test_a_fault_of_our_own_in_a_thread_reaches_the_main_thread(tiny: Bundle) -> None:
    def broken(_: Features) -> Prediction:
        raise ZeroDivisionError

    with pytest.raises(ListenerError, match="fault in listener"):
        run([FakeSource(blocks(BARKS), then="wait")], [FakeSink()], tiny, broken)


def test_a_source_that_cannot_be_had_ends_the_daemon_with_its_error(tiny: Bundle) -> None:
    sink = FakeSink()
    with pytest.raises(SourceError, match="no such"):
        run([FakeSource([], then=SourceError("no such microphone"))], [sink], tiny)
    assert sink.calls == ["open", "close"]


def test_a_hung_sink_keeps_no_event_from_the_others_nor_the_daemon_from_ending(
    tiny: Bundle, background: Callable[..., threading.Thread]
) -> None:
    release = threading.Event()
    hung, well = FakeSink(lambda _: release.wait(20) and None), FakeSink()
    began, daemon = time.monotonic(), Daemon()
    listening = stream(FakeSource(blocks(BARKS)), daemon, tiny)
    background(lambda: daemon.run([listening], [SinkBinding("hung", hung), SinkBinding("well", well)])).join(5)
    assert time.monotonic() - began < 4
    assert not daemon.lossless
    assert [event.phase for event in well.events] == ["start", "end"]
    release.set()


def test_a_sink_that_hangs_or_fails_in_close_keeps_no_other_from_closing(
    tiny: Bundle, background: Callable[..., threading.Thread]
) -> None:
    release = threading.Event()

    class Hanging(FakeSink):
        def close(self) -> None:
            release.wait(20)

    class Failing(FakeSink):
        def close(self) -> None:
            raise OSError("no")

    well = FakeSink()
    began = time.monotonic()
    background(lambda: run([FakeSource(blocks(BARKS))], [well, Hanging(), Failing()], tiny)).join(6)
    assert time.monotonic() - began < 4
    assert well.calls == ["open", "close"]
    release.set()


def test_a_failing_sink_is_counted_and_harms_no_other(tiny: Bundle) -> None:
    def refuse(_: Event) -> None:
        raise SinkError("disk full")

    well, daemon = FakeSink(), Daemon()
    listening = stream(FakeSource(blocks(BARKS)), daemon, tiny)
    daemon.run([listening], [SinkBinding("failing", FakeSink(refuse)), SinkBinding("well", well)])
    assert len(well.events) == 2
    assert daemon.status().sinks == {"failing": 2, "well": 0}
    assert not daemon.lossless


def test_an_event_of_the_moment_in_which_a_sink_is_exchanged_gets_out(
    background: Callable[..., threading.Thread],
) -> None:
    offered, go_on = threading.Event(), threading.Event()

    def hold(event: Event) -> bool:
        offered.set()
        return go_on.wait(20) and event.seq == 0

    first, old, new, daemon = FakeSink(), FakeSink(), FakeSink(), Daemon()
    daemon.reconfigure([SinkBinding("first", first, hold), SinkBinding("second", old)])
    publishing = background(lambda: daemon.publish(message(seq=0)))
    assert offered.wait(5)
    reconfiguring = background(lambda: daemon.reconfigure([SinkBinding("first", first), SinkBinding("second", new)]))
    reconfiguring.join(0.3)  # long enough for it to close the old sink, were it free to
    go_on.set()
    publishing.join(5)
    reconfiguring.join(5)
    daemon.reconfigure([])
    assert [event.seq for event in [*old.events, *new.events]] == [0]


def test_an_event_of_the_moment_in_which_an_exchange_fails_reaches_those_that_are_restored() -> None:
    class Refusing(FakeSink):
        def open(self) -> None:
            daemon.publish(message(seq=0))
            raise SinkError("address in use")

    kept, again, daemon = FakeSink(), FakeSink(), Daemon()
    daemon.reconfigure([SinkBinding("kept", kept), SinkBinding("old", FakeSink())])
    with pytest.raises(SinkError):
        daemon.reconfigure([SinkBinding("kept", kept), SinkBinding("new", Refusing())])
    daemon.reconfigure([SinkBinding("kept", kept), SinkBinding("old", again)])
    daemon.publish(message(seq=1))
    daemon.reconfigure([])
    assert [[event.seq for event in sink.events] for sink in (kept, again)] == [[0, 1], [0, 1]]


def test_a_sink_that_cannot_open_stops_those_that_did(tiny: Bundle) -> None:
    class Unopenable(FakeSink):
        def open(self) -> None:
            raise SinkError("address in use")

    first = FakeSink()
    with pytest.raises(SinkError, match="in use"):
        run([FakeSource(blocks(BARKS))], [first, Unopenable()], tiny)
    assert first.calls == ["open", "close"]


def test_a_vanished_microphone_ends_the_event_that_was_under_way(
    tiny: Bundle, background: Callable[..., threading.Thread]
) -> None:
    sink, daemon = FakeSink(), Daemon()
    source = FakeSource(blocks(pcm(noise(5, -12))), live=True, then="wait")
    listening = stream(source, daemon, tiny)
    background(lambda: daemon.run([listening], [SinkBinding("sink", sink)]))
    eventually(lambda: any(event.phase == "end" for event in sink.events), 8)
    daemon.stop()


def test_the_watchdog_is_fed_while_a_source_is_looked_after(
    tiny: Bundle, background: Callable[..., threading.Thread]
) -> None:
    class Away(FakeSource):
        def blocks(self, report: Report) -> Iterator[Block]:
            report(SourceState.WAITING, "there is no microphone")
            self.closed.wait()
            yield from ()

    told: list[str] = []
    daemon = Daemon(tell=lambda *states: told.extend(states))
    background(lambda: daemon.run([stream(Away([], live=True), daemon, tiny)], []))
    eventually(lambda: "WATCHDOG=1" in told)
    daemon.stop()


def test_a_source_that_is_muted_is_told_of(tiny: Bundle, background: Callable[..., threading.Thread]) -> None:
    told: list[str] = []
    daemon = Daemon(tell=lambda *states: told.extend(states))
    muted = FakeSource(blocks(pcm(noise(11, -200))), live=True, then="wait")
    background(lambda: daemon.run([stream(muted, daemon, tiny)], []))
    eventually(lambda: any("fake: listening (only digital silence for 10 s" in state for state in told))
    assert "muted" in daemon.status().sources["fake"].trouble
    daemon.stop()


@pytest.mark.parametrize("state", [SourceState.LISTENING, SourceState.RECOVERING])
def test_a_stuck_classifier_starves_the_watchdog(
    state: SourceState, tiny: Bundle, background: Callable[..., threading.Thread]
) -> None:
    """Whatever the source says of itself: its audio waits, and nobody hears it."""
    release = threading.Event()

    class Lively(FakeSource):
        silence_timeout_s = 600.0  # of no account while audio waits

        def blocks(self, report: Report) -> Iterator[Block]:
            yield from super().blocks(report)
            report(state, "as it says")
            self.closed.wait()

    def stuck(features: Features) -> Prediction:
        release.wait(30)
        return FakeClassifier(3)(features)

    daemon = Daemon()
    listening = stream(Lively(blocks(pcm(noise(5, -12))), live=True), daemon, tiny, stuck)
    background(lambda: daemon.run([listening], []))
    eventually(lambda: listening.status().state == state and listening.status().waiting_s > 1)
    eventually(lambda: listening.meter.position > 0)
    now = time.monotonic()
    assert listening.healthy(now)  # for as long as it may just be slow
    assert not listening.healthy(now + DEAF_S)
    release.set()
    daemon.stop()


@pytest.fixture
def silent_for(tiny: Bundle, background: Callable[..., threading.Thread]) -> Iterator[Callable[[BaseSource], float]]:
    """Listens to a source that soon gives no more, and says for how many seconds of that it is healthy, 600 at most."""
    daemon = Daemon()

    def healthy_s(source: BaseSource) -> float:
        listening = stream(source, daemon, tiny)
        background(lambda: daemon.run([listening], []))
        eventually(lambda: listening.status().heard_s >= 1.0 and not listening.status().waiting_s)
        assert listening.status().state == SourceState.LISTENING
        heard_at = listening.meter.updated_at
        return next((seconds for seconds in range(600) if not listening.healthy(heard_at + seconds)), 600)

    yield healthy_s
    daemon.stop()


def test_a_source_that_says_nothing_of_silence_is_soon_not_healthy(silent_for: Callable[[BaseSource], float]) -> None:
    assert silent_for(FakeSource(blocks(pcm(noise(1, -70))), live=True, then="wait")) == DEAF_S


def test_a_program_may_be_silent_for_as_long_as_was_configured(silent_for: Callable[[BaseSource], float]) -> None:
    squelched = "import sys,time; sys.stdout.buffer.write(bytes(32000)); sys.stdout.flush(); time.sleep(100)"
    command = [sys.executable, "-c", squelched]
    assert silent_for(CommandSource(CommandConfig(command=command, stalled_s=60))) == DEAF_S + 60


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe's two ends, closed at the end."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_who_writes_to_standard_input_may_pause_for_any_time(
    pipe: tuple[int, int], silent_for: Callable[[BaseSource], float]
) -> None:
    reader, writer = pipe
    os.write(writer, bytes(32_000))
    assert silent_for(Stdin(StdinConfig(), reader)) == 600


def test_a_recording_whose_name_is_no_text_has_a_status_that_can_be_sent(
    tiny: Bundle, background: Callable[..., threading.Thread], tmp_path: Path
) -> None:
    path = tmp_path / os.fsdecode(b"a\xff.wav")
    with path.open("wb") as file:
        soundfile.write(file, pcm(noise(5, -70)), 16_000, format="WAV")
    daemon = Daemon()
    listening = stream(File(FileConfig(path=str(path), realtime=True)), daemon, tiny)
    background(lambda: daemon.run([listening], []))
    eventually(lambda: listening.status().state == SourceState.LISTENING)
    assert "a\N{REPLACEMENT CHARACTER}.wav".encode() in messages.encode(daemon.status())
    daemon.stop()


def test_a_sound_goes_on_being_heard_after_the_microphone_came_back(
    tiny: Bundle, background: Callable[..., threading.Thread]
) -> None:
    away = blocks(BARKS) + blocks(BARKS, start=60 * 16_000)
    sink, daemon = FakeSink(), Daemon()
    background(lambda: daemon.run([stream(FakeSource(away, then="wait"), daemon, tiny)], [SinkBinding("sink", sink)]))
    eventually(lambda: len(sink.events) == 4)
    daemon.stop()
    assert [round(event.start_s) for event in sink.events if event.phase == "start"] == [2, 62]


def test_of_two_sources_one_may_end_and_the_other_is_still_heard(
    tiny: Bundle, background: Callable[..., threading.Thread]
) -> None:
    sink, daemon = FakeSink(), Daemon()
    ended = FakeSource(blocks(BARKS), name="hall")
    lasting = FakeSource(blocks(BARKS), name="kitchen", then="wait")
    background(
        lambda: daemon.run([stream(ended, daemon, tiny), stream(lasting, daemon, tiny)], [SinkBinding("sink", sink)])
    )
    eventually(lambda: {event.source for event in sink.events if event.phase == "start"} == {"hall", "kitchen"})
    assert daemon.status().sources["kitchen"].state == "listening"
    daemon.stop()


def test_stop_ends_within_two_seconds_at_any_moment(tiny: Bundle, background: Callable[..., threading.Thread]) -> None:
    daemon = Daemon()
    thread = background(
        lambda: daemon.run(
            [stream(FakeSource(blocks(BARKS), then="wait"), daemon, tiny)], [SinkBinding("s", FakeSink())]
        )
    )
    began = time.monotonic()
    daemon.stop()
    thread.join(5)
    assert time.monotonic() - began < 2


def test_an_event_that_ends_too_late_at_the_stop_is_counted_as_lost(
    tiny: Bundle, background: Callable[..., threading.Thread], caplog: pytest.LogCaptureFixture
) -> None:
    stopping, sink, daemon = threading.Event(), FakeSink(), Daemon()

    def slow(features: Features) -> Prediction:
        if stopping.is_set():  # then it ends after the sinks have
            eventually(lambda: "close" in sink.calls)
        return FakeClassifier(3)(features)

    bark = pcm(noise(3600, -12))
    thread = background(
        lambda: daemon.run([stream(FakeSource(blocks(bark)), daemon, tiny, slow)], [SinkBinding("log", sink)])
    )
    eventually(lambda: sink.events)
    stopping.set()
    daemon.stop()
    thread.join(5)
    assert "end" not in [event.phase for event in sink.events]
    assert not daemon.lossless
    assert any("too late" in message for message in caplog.messages)


def test_a_viewer_is_shown_level_and_status(tiny: Bundle, background: Callable[..., threading.Thread]) -> None:
    viewer, daemon = FakeViewer(), Daemon()
    background(
        lambda: daemon.run(
            [stream(FakeSource(blocks(BARKS), then="wait"), daemon, tiny)], [SinkBinding("viewer", viewer)]
        )
    )
    eventually(lambda: {type(message) for message in viewer.shown} == {Level, Status})
    daemon.stop()


def test_events_of_a_live_source_carry_wall_clock_times(tiny: Bundle) -> None:
    stamped = [
        replace(block, captured_at=1_000_000_000 + (block.start + len(block.pcm)) / 16_000) for block in blocks(BARKS)
    ]
    sink = FakeSink()
    run([FakeSource(stamped)], [sink], tiny)
    assert (sink.events[0].start or "").startswith("2001-09-09T01:46:42.0")


@pytest.mark.parametrize("set_s", [-30.0, 3600.0])
def test_a_clock_that_is_set_in_the_midst_of_an_event_makes_it_no_longer_and_no_shorter(
    set_s: float, tiny: Bundle
) -> None:
    def captured_at(block: Block) -> float:
        at_s = (block.start + len(block.pcm)) / 16_000
        return 1_000_000_000 + at_s + (set_s if at_s > 2.6 else 0.0)

    sink = FakeSink()
    run([FakeSource([replace(block, captured_at=captured_at(block)) for block in blocks(BARKS)])], [sink], tiny)
    end = sink.events[-1]
    start, stop = (datetime.fromisoformat(text or "").timestamp() for text in (end.start, end.end))
    assert stop - start == pytest.approx((end.end_s or 0) - end.start_s, abs=0.002)


def test_events_of_a_file_carry_none(tiny: Bundle) -> None:
    sink = FakeSink()
    run([FakeSource(blocks(BARKS))], [sink], tiny)
    assert {event.start for event in sink.events} == {None}


class Queue(FakeSink):
    """A sink that delivers in its own time."""

    waiting, lost = 3, 2


def test_what_a_sink_lost_and_keeps_waiting_is_counted_with_its_outbox(tiny: Bundle) -> None:
    daemon = Daemon()
    daemon.run([stream(FakeSource(blocks(BARKS)), daemon, tiny)], [SinkBinding("queue", Queue())])
    assert (daemon.status().sinks, daemon.status().waiting) == ({"queue": 2}, {"queue": 3})
    assert not daemon.lossless


def test_a_sink_gets_what_its_filter_admits(tiny: Bundle) -> None:
    some, none = FakeSink(), FakeSink()
    daemon = Daemon()
    routes = [SinkBinding("some", some, lambda event: event.phase == "end"), SinkBinding("none", none, lambda _: False)]
    daemon.run([stream(FakeSource(blocks(BARKS)), daemon, tiny)], routes)
    assert ([event.phase for event in some.events], none.events) == (["end"], [])


def test_what_is_snoozed_reaches_no_sink(tiny: Bundle) -> None:
    controls, sink = Controls(tiny.labels, {}, ["fake"]), FakeSink()
    controls.execute(Command(command="snooze", what="fake"))
    daemon = Daemon(controls)
    daemon.run([stream(FakeSource(blocks(BARKS)), daemon, tiny)], [SinkBinding("sink", sink)])
    assert sink.events == []


def test_a_sink_that_fails_is_said_once_an_episode_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    failing = [False, True, True, False, True, False]

    def fail(event: Event) -> None:
        if failing[event.seq]:
            raise SinkError("the disk is full")

    outlet = SinkWorker(SinkBinding("log", FakeSink(fail)), lambda: None)
    outlet.open()
    for number in range(len(failing)):
        outlet.offer(message(seq=number))
    outlet.finish()
    outlet.thread.join(5)
    assert outlet.lost == 3
    assert [record.getMessage() for record in caplog.records] == [
        "sink log: the disk is full",
        "sink log: works again; events lost: 2",
        "sink log: the disk is full",
        "sink log: works again; events lost: 1",
    ]


def test_a_sink_that_hangs_is_said_once_an_episode_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    go_on = threading.Event()

    def hang(_event: Event) -> None:
        go_on.wait(10)

    outlet = SinkWorker(SinkBinding("hung", FakeSink(hang)), lambda: None)
    outlet.open()
    for number in range(400):
        outlet.offer(message(number))
        outlet.report_losses()
    lost = outlet.lost
    assert 400 - 256 - 2 <= lost <= 400 - 256
    go_on.set()
    outlet.finish()
    outlet.thread.join(5)
    outlet.report_losses()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert str(lost) in caplog.messages[-1]
