"""Recordings are decoded once; what cannot be decoded is named and left out."""

import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.data.bank import EVERY_FOLD, FRAME, SYNTHESISED, open_bank
from models.data.recordings import DataError, Recording, read_any
from tests.models.sounds import RATE, label_folders, tone


def test_a_bank_holds_every_recording_and_every_synthesised_variant(tmp_path: Path) -> None:
    bank = open_bank(read_any(label_folders(tmp_path / "sounds")), {"co_alarm": 2}, 1, tmp_path / "cache")
    assert sorted(sound.label for sound in bank.sounds) == ["co_alarm", "co_alarm", "high", "high", "low", "low"]


def test_a_recording_keeps_its_fold_and_what_is_synthesised_is_of_every_fold(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(500, 0.5), RATE)
    bank = open_bank([Recording(tmp_path / "a.wav", ("x",), 4, "set", "a")], {"co_alarm": 1}, 1, tmp_path / "cache")
    assert [(sound.label, sound.fold, sound.dataset) for sound in bank.sounds] == [
        ("x", 4, "set"),
        ("co_alarm", EVERY_FOLD, SYNTHESISED),
    ]


def test_only_the_active_part_of_a_recording_counts(tmp_path: Path) -> None:
    quiet = np.zeros(RATE, np.float32)
    soundfile.write(tmp_path / "a.wav", np.concatenate([quiet, tone(500, 0.5), quiet]), RATE)
    bank = open_bank([Recording(tmp_path / "a.wav", ("x",), 1, "set", "a")], {}, 1, tmp_path / "cache")
    assert len(bank.samples(bank.sounds[0])) == pytest.approx(RATE / 2, abs=2 * FRAME)


def test_another_rate_and_stereo_become_16_khz_mono(tmp_path: Path) -> None:
    both = np.stack([tone(500, 1.0), tone(500, 1.0)], axis=1)
    soundfile.write(tmp_path / "a.wav", both, 8_000)
    bank = open_bank([Recording(tmp_path / "a.wav", ("x",), 1, "set", "a")], {}, 1, tmp_path / "cache")
    assert len(bank.samples(bank.sounds[0])) == pytest.approx(2 * RATE, abs=2 * FRAME)


def test_a_bad_file_is_one_line_and_no_crash(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "bad.wav").write_bytes(b"not audio")
    soundfile.write(tmp_path / "good.wav", tone(500, 1.0), RATE)
    recordings = [Recording(tmp_path / name, ("x",), 1, "set", "s") for name in ("bad.wav", "gone.wav", "good.wav")]
    with caplog.at_level(logging.WARNING):
        bank = open_bank(recordings, {}, 1, tmp_path / "cache")
    assert len(bank.sounds) == 1
    assert [name in caplog.text for name in ("bad.wav", "gone.wav", "good.wav")] == [True, True, False]
    assert len(caplog.records) == 2


def test_a_silent_recording_is_named_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    soundfile.write(tmp_path / "mute.wav", np.zeros(RATE), RATE)
    soundfile.write(tmp_path / "good.wav", tone(500, 1.0), RATE)
    recordings = [Recording(tmp_path / name, ("x",), 1, "set", name) for name in ("mute.wav", "good.wav")]
    bank = open_bank(recordings, {}, 1, tmp_path / "cache")
    assert [sound.source for sound in bank.sounds] == ["good.wav"]
    assert [record.getMessage() for record in caplog.records] == [f"{tmp_path}/mute.wav: is silent. It is left out."]


def test_nothing_readable_is_an_error_which_names_what_is_not(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"all are silent: .*/gone\.wav\. Give others"):
        open_bank([Recording(tmp_path / "gone.wav", ("x",), 1, "set", "s")], {}, 1, tmp_path / "cache")


def test_another_fold_is_another_bank(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(500, 0.5), RATE)
    recordings = [Recording(tmp_path / "a.wav", ("x",), fold, "set", "a") for fold in (1, 2)]
    banks = [open_bank([recording], {}, 1, tmp_path / "cache") for recording in recordings]
    assert [bank.sounds[0].fold for bank in banks] == [1, 2]


def test_the_second_run_decodes_nothing(tmp_path: Path) -> None:
    recordings = read_any(label_folders(tmp_path / "sounds"))
    first = open_bank(recordings, {}, 1, tmp_path / "cache")
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    again = open_bank(recordings, {}, 1, tmp_path / "cache")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()} == stamps
    assert np.array_equal(first.pcm, again.pcm)
