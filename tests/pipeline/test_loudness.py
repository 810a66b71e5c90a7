"""A loud sound is an event on its level alone, with its times, and it always ends."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from listener import config as configuration
from listener.daemon import service
from listener.daemon.build import build_pipeline
from listener.errors import ConfigError
from listener.messages import Event
from listener.pipeline.bundle import Bundle
from listener.pipeline.event_machine import EventMaker
from listener.pipeline.framer import Framer
from listener.pipeline.loudness import LOUD, LoudConfig, Loudness
from listener.pipeline.values import Frames
from tests.conftest import with_manifest
from tests.fakes import FRAME, SPEC, FakeClassifier, blocks, frames, noise, pcm

ROOM, BANG = -60.0, -20.0


def loud(**settings: float) -> Loudness:
    config = LoudConfig(enabled=True, **settings)  # type: ignore[arg-type]
    maker = EventMaker("hall", "tiny", f"x-{LOUD}")
    return Loudness(config, maker, update_s=1.0, sample_rate=SPEC.sample_rate)


def stretch(*levels: tuple[float, float], start_s: float = 0.0) -> Iterator[Frames]:
    """Frames of (seconds, level), one after the other."""
    position = round(start_s * SPEC.sample_rate)
    for seconds, level_dbfs in levels:
        for _ in range(round(seconds * 50)):
            yield frames(position, level_dbfs)
            position += FRAME


def heard(stage: Loudness, stream: Iterable[Frames]) -> list[Event]:
    return [event for one in stream for event in stage(one)] + list(stage.finish())


def spans(events: Sequence[Event]) -> list[tuple[float, float | None]]:
    return [(event.start_s, event.end_s) for event in events if event.phase == "end"]


def test_a_bang_is_one_event_with_the_times_it_had() -> None:
    events = heard(loud(), stretch((10, ROOM), (0.3, BANG), (10, ROOM)))
    assert [(event.phase, event.seq) for event in events] == [("start", 0), ("end", 1)]
    assert spans(events) == [(10.0, 10.3)]
    assert events[0].detected_s == pytest.approx(10.1)
    assert {(event.id, event.label, event.source, event.model) for event in events} == {
        ("x-loud-1", "loud", "hall", "tiny")
    }


def test_its_end_is_reported_when_the_hold_is_over_and_not_with_the_next_bang() -> None:
    stage, ended_at = loud(), None
    for quiet in stretch((10, ROOM), (0.3, BANG), (5, ROOM)):
        if "end" in [event.phase for event in stage(quiet)]:
            ended_at = quiet.stop / SPEC.sample_rate
    assert ended_at == pytest.approx(11.3, abs=0.03)


def test_its_score_is_how_far_over_the_room_it_was() -> None:
    just, twice = (
        heard(loud(over_db=over_db), stretch((10, ROOM), (1, BANG), (3, ROOM)))[-1] for over_db in (39.5, 20)
    )
    assert just.peak == pytest.approx(0.5, abs=0.02)
    assert twice.peak == pytest.approx(1.0, abs=0.02)
    assert twice.level_dbfs == BANG


def test_steady_noise_is_no_event_however_loud() -> None:
    assert heard(loud(), Framer(16_000).frames(blocks(pcm(noise(30, BANG))))) == []


def test_what_is_loud_in_a_quiet_room_is_not_in_a_loud_one() -> None:
    assert spans(heard(loud(), stretch((10, -35), (1, BANG), (5, -35)))) == []
    assert spans(heard(loud(), stretch((10, -45), (1, BANG), (5, -45)))) == [(10.0, 11.0)]


def test_the_floor_follows_a_room_that_becomes_quieter() -> None:
    assert spans(heard(loud(), stretch((10, -35), (5, -60), (1, BANG), (5, -60)))) == [(15.0, 16.0)]


def test_a_noise_that_stays_becomes_the_room() -> None:
    """A fan that is switched on 30 dB over the room is loud for a while, and a bang over it is heard again."""
    first, second = spans(heard(loud(), stretch((5, ROOM), (60, -30), (1, -5), (5, -30))))
    assert first[1] is not None
    assert 10 < first[1] < 30
    assert second == (65.0, 66.0)


def test_a_hammer_is_told_of_again_each_half_minute() -> None:
    events = heard(loud(), stretch((5, ROOM), *[(0.1, BANG), (0.5, ROOM)] * 110, (5, ROOM)))
    assert [(event.phase, round(event.start_s)) for event in events] == [("start", 5), *[("update", 5)] * 2, ("end", 5)]


def test_what_is_quieter_than_asked_for_is_never_loud() -> None:
    whisper = stretch((10, -90), (1, -46), (5, -90))
    assert heard(loud(), whisper) == []


def test_a_microphone_that_is_unmuted_in_a_quiet_room_is_no_bang() -> None:
    assert heard(loud(), stretch((10, -100), (10, -50))) == []


def test_a_click_is_too_short_and_a_bang_in_digital_silence_is_not() -> None:
    assert heard(loud(), stretch((5, -100), (0.04, BANG), (5, -100))) == []
    assert spans(heard(loud(), stretch((5, -100), (0.3, BANG), (5, -100)))) == [(5.0, 5.3)]


def test_pauses_shorter_than_the_hold_are_bridged_and_longer_ones_part() -> None:
    knocks = [(5, ROOM), (0.2, BANG), (0.5, ROOM), (0.2, BANG), (1.5, ROOM), (0.2, BANG), (3, ROOM)]
    assert spans(heard(loud(), stretch(*knocks))) == [(5.0, 5.9), (7.4, 7.6)]


def test_a_cool_down_keeps_quiet_after_an_event_that_was_told() -> None:
    bangs = [(5, ROOM), (0.2, BANG), (3, ROOM), (0.2, BANG), (10, ROOM), (0.2, BANG), (3, ROOM)]
    assert spans(heard(loud(cooldown_s=5), stretch(*bangs))) == [(5.0, 5.2), (18.4, 18.6)]


def test_one_that_grows_says_so_once_a_second() -> None:
    growing = [(0.1, -35 + step) for step in range(30)]
    phases = [event.phase for event in heard(loud(), stretch((5, ROOM), *growing, (3, ROOM)))]
    assert phases == ["start", "update", "update", "end"]


def test_a_gap_that_is_longer_than_the_hold_ends_it_where_it_was_last_heard() -> None:
    before, after = stretch((5, ROOM), (1, BANG)), stretch((1, BANG), (3, ROOM), start_s=20)
    assert spans(heard(loud(), [*before, *after])) == [(5.0, 6.0), (20.0, 21.0)]


def test_a_short_gap_does_not_part_it() -> None:
    before, after = stretch((5, ROOM), (1, BANG)), stretch((1, BANG), (3, ROOM), start_s=6.5)
    assert spans(heard(loud(), [*before, *after])) == [(5.0, 7.5)]


def test_it_ends_with_the_stretch_and_the_room_is_learned_anew() -> None:
    stage = loud()
    assert spans(heard(stage, stretch((5, ROOM), (1, BANG)))) == [(5.0, 6.0)]
    assert heard(stage, stretch((20, BANG), start_s=60)) == []


def test_in_the_pipeline_it_stands_beside_the_labels_and_changes_none(tiny: Bundle) -> None:
    samples = noise(15, ROOM)
    samples[5 * 16_000 : 6 * 16_000] += noise(1, BANG, seed=1)

    def events(*overrides: str) -> list[Event]:
        config = configuration.load(None, overrides)
        loop = build_pipeline(config, tiny, FakeClassifier(3), "hall")
        return list(loop.events(Framer(16_000).frames(blocks(pcm(samples)))))

    def told(some: Iterable[Event]) -> list[tuple[object, ...]]:
        return [(e.label, e.phase, e.start_s, e.end_s, e.peak, e.detected_s) for e in some]

    both = events("loud.enabled=true")
    assert told(event for event in both if event.label != "loud") == told(events())
    (span,) = spans([event for event in both if event.label == "loud"])
    assert span == pytest.approx((5.0, 6.0), abs=0.1)
    assert len({(event.id, event.seq) for event in both}) == len(both)


def test_switched_on_it_is_a_label_that_sinks_groups_and_filters_know(tiny: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        "[loud]\nenabled = true\n[groups]\nnoise = ['loud', 'hiss']\n"
        "[[sink]]\nkind = 'console'\nwhen = {labels = ['loud']}\n"
    )
    config = configuration.load(path)
    greeting = service.hello(config, tiny, "cpu")
    assert greeting.labels == ["hiss", "hum", "nothing", "loud"]
    assert "loud" not in greeting.thresholds
    assert configuration.mismatches(config, tiny) == []


def test_switched_off_it_is_nothing_anybody_knows(tiny: Bundle) -> None:
    assert "loud" not in service.hello(configuration.load(None), tiny, "cpu").labels


@pytest.mark.parametrize("renamed", [True, False])
def test_a_label_of_the_same_name_is_refused(renamed: bool, tiny: Bundle) -> None:
    overrides = ["loud.enabled=true", *(["labels.hiss.name=loud"] if renamed else [])]
    bundle = tiny if renamed else with_manifest(tiny, labels=["loud", "hum", "nothing"])
    with pytest.raises(ConfigError) as caught:
        configuration.rules(configuration.load(None, overrides), bundle)
    assert caught.value.code == "name-duplicate"


def test_a_sound_is_placed_within_its_block() -> None:
    block = frames(10 * SPEC.sample_rate, *[ROOM] * 3, *[BANG] * 10, *[ROOM] * 60)
    events = heard(loud(), [*stretch((10, ROOM)), block])
    assert spans(events) == [(10.06, 10.26)]


def test_the_least_level_of_a_loud_sound_counts_as_loud_and_gives_way_once_it_is_under_way() -> None:
    def found(*levels: tuple[float, float]) -> list[tuple[float, float | None]]:
        return spans(heard(loud(min_dbfs=-30.0, hold_s=0.5), stretch((10, ROOM), *levels, (5, ROOM))))

    assert found((1, -30.1)) == []
    assert found((1, -30.0)) == [(10.0, 11.0)]
    assert found((1, -30.0), (1, -35.9)) == [(10.0, 12.0)]  # 0.3 of over_db below
    assert found((1, -30.0), (1, -36.1)) == [(10.0, 11.0)]


def test_the_room_is_learned_from_its_first_second_alone() -> None:
    assert spans(heard(loud(), stretch((1, ROOM), (1, BANG), (5, ROOM)))) == [(1.0, 2.0)]
    assert spans(heard(loud(), stretch((0.9, ROOM), (1, BANG), (5, ROOM)))) == [(1.0, 1.9)]


def test_a_gap_as_long_as_the_hold_ends_it() -> None:
    before = list(stretch((5, ROOM), (1, BANG)))
    for gap_s, count in ((0.98, 1), (1.0, 2)):
        after = stretch((1, BANG), (3, ROOM), start_s=6 + gap_s)
        assert len(spans(heard(loud(), [*before, *after]))) == count
