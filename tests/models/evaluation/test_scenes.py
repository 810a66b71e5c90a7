"""Scenes are of one part of a fold, and are kept while what they are made of is the same."""

from pathlib import Path

import pytest
import soundfile

from models.data.recordings import Recording
from models.evaluation.scenes import EACH, clips_of, in_part, make
from tests.models.sounds import RATE, tone


@pytest.fixture
def recordings(tmp_path: Path) -> list[Recording]:
    found = []
    for number in range(12):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, tone(300 + 100 * number, 1.0), RATE)
        found.append(Recording(path, ("engine_idling",), 1 + number % 3, "set", f"source {number // 2}"))
    return found


def test_every_recording_is_in_one_half_of_its_fold() -> None:
    sources = [f"source {number}" for number in range(40)]
    first, second = ({s for s in sources if in_part(s, part)} for part in ("first", "second"))
    assert first | second == set(sources)
    assert not first & second
    assert first
    assert second
    assert all(in_part(source, "all") for source in sources)


def test_clips_are_of_the_fold_under_the_bundles_labels(recordings: list[Recording], tmp_path: Path) -> None:
    clips = clips_of(recordings, ("engine",), 2, tmp_path / "made")
    assert {clip.label for clip in clips} == {"engine"}
    assert {clip.file for clip in clips} == {r.path for r in recordings if r.fold == 2}


def test_synthesised_clips_differ_between_parts(tmp_path: Path) -> None:
    parts = [clips_of([], ("low_battery_chirp",), 3, tmp_path, part) for part in ("first", "second")]
    assert [len(part) for part in parts] == [EACH, EACH]
    assert not {clip.file for clip in parts[0]} & {clip.file for clip in parts[1]}


def test_a_scene_is_made_again_only_when_something_of_it_is_another(
    recordings: list[Recording], tmp_path: Path
) -> None:
    clips, out = clips_of(recordings, ("engine",), 1, tmp_path / "made"), tmp_path / "scenes"

    def stamp(minutes: float) -> int:
        (scene,) = make(out, clips, [4], minutes=minutes, per_minute=10, rooms=tmp_path / "none")
        assert scene.hours == pytest.approx(minutes / 60)
        assert {event.label for event in scene.truth} == {"engine"}
        return scene.path.stat().st_mtime_ns

    before = stamp(0.5)
    assert stamp(0.5) == before
    assert stamp(0.6) != before
