"""The live spectrogram: what is heard becomes columns at once, and nothing is computed where nobody looks."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from listener.daemon.live_spectrogram import HOP, LiveSpectrogram
from listener.messages import Spectrum, decode, encode
from listener.pipeline.framer import Framer
from listener.pipeline.values import Block, Floats
from models.data.frontend import mel_filters
from tests.fakes import SPEC, blocks, noise, pcm

RATE = SPEC.sample_rate
BLOCK_S = 0.16


class Looked:
    """A spectrograph at work: blocks go in, what a display was shown is in `shown`."""

    def __init__(self, wanted: bool = True) -> None:
        self.shown: list[Spectrum] = []
        self.wanted = wanted
        self.graph = LiveSpectrogram("kitchen", SPEC, mel_filters(SPEC), lambda: self.wanted, self.shown.append)

    def hear(self, given: Iterable[Block]) -> None:
        for frames in Framer(RATE).frames(given):
            self.graph.on_frames(frames, np.zeros(len(frames), np.bool_))

    @property
    def cells(self) -> Floats:
        """(columns, mels)"""
        return np.frombuffer(b"".join(spectrum.columns for spectrum in self.shown), np.uint8).reshape(-1, SPEC.mels)


def tone(hz: float, seconds: float, dbfs: float = -20) -> "np.ndarray":
    samples = np.sqrt(2) * 10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)
    return pcm(samples.astype(np.float32))


def test_there_are_some_sixty_columns_a_second_and_none_is_missing() -> None:
    looked = Looked()
    looked.hear(blocks(pcm(noise(4, -30)), block_s=BLOCK_S))
    assert len(looked.cells) == 1 + (4 * RATE - SPEC.fft) // HOP
    assert looked.shown[-1].at_s == 4.0


def test_every_block_is_shown_before_the_next_is_asked_for() -> None:
    looked = Looked()

    def one_after_the_other() -> Iterator[Block]:
        for number, block in enumerate(blocks(pcm(noise(2, -30)), block_s=BLOCK_S)):
            assert len(looked.shown) == number
            yield block

    looked.hear(one_after_the_other())
    assert [round(s.at_s, 2) for s in looked.shown[:3]] == [0.16, 0.32, 0.48]


@pytest.mark.parametrize(("hz", "mel"), [(440, 8), (3000, 41)])
def test_a_tone_is_a_line_at_its_height(hz: float, mel: int) -> None:
    looked = Looked()
    looked.hear(blocks(tone(hz, 1), block_s=BLOCK_S))
    assert set(looked.cells.argmax(axis=1)) <= {mel - 1, mel, mel + 1}


def test_ten_decibels_are_as_many_shades_whatever_the_level() -> None:
    loudest = []
    for dbfs in (-50, -40, -30):
        looked = Looked()
        looked.hear(blocks(tone(1000, 1, dbfs), block_s=BLOCK_S))
        loudest.append(int(looked.cells.max()))
    assert np.diff(loudest) == pytest.approx([255 / 9, 255 / 9], abs=1)


def test_nothing_is_computed_where_nobody_looks() -> None:
    looked = Looked(wanted=False)
    looked.hear(blocks(pcm(noise(1, -30)), block_s=BLOCK_S))
    assert not looked.shown


def test_who_begins_to_look_sees_what_comes_from_then_on() -> None:
    looked = Looked(wanted=False)

    def later() -> Iterator[Block]:
        for number, block in enumerate(blocks(pcm(noise(2, -30)), block_s=0.5)):
            looked.wanted = number >= 2
            yield block

    looked.hear(later())
    assert [s.at_s for s in looked.shown] == [1.5, 2.0]
    assert len(looked.cells) == 1 + (RATE - SPEC.fft) // HOP


def test_no_column_is_made_of_both_sides_of_a_gap() -> None:
    looked, samples = Looked(), pcm(noise(1, -30))
    before, after = blocks(samples, block_s=BLOCK_S), blocks(samples, block_s=BLOCK_S, start=3 * RATE)
    looked.hear([*before, *after])
    assert len(looked.cells) == 2 * (1 + (RATE - SPEC.fft) // HOP)
    assert looked.shown[-1].at_s == 4.0


def test_it_crosses_the_wire_unharmed() -> None:
    looked = Looked()
    looked.hear(blocks(pcm(noise(1, -30)), block_s=BLOCK_S))
    assert decode(encode(looked.shown[0])) == looked.shown[0]
