"""Standard input, raw or WAV, to its very end; and what is said when it is something else."""

import io
import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from listener.errors import SourceError
from listener.pipeline.values import Block, Pcm
from listener.sources.base import BaseSource
from listener.sources.stdin import Arrival, Stdin, StdinConfig
from listener.sources.wav import header
from tests.sources.conftest import Listening
from tests.waiting import eventually

RAMP = np.arange(-3000, 3000, dtype="<i2")


def read(content: bytes, piece: int = 1000, **changes: Any) -> list[Block]:
    """The blocks of standard input with this content, written in pieces."""
    reader, writer = os.pipe()

    def write() -> None:
        try:
            for at in range(0, len(content), piece):
                os.write(writer, content[at : at + piece])
        except BrokenPipeError:
            pass  # it read all that it wanted
        finally:
            os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        return list(Stdin(StdinConfig(**changes), reader).blocks(lambda *_: None))
    finally:
        os.close(reader)
        thread.join()


def samples(blocks: list[Block]) -> Pcm:
    assert [block.start for block in blocks] == np.cumsum([0, *(len(block.pcm) for block in blocks)])[:-1].tolist()
    return np.concatenate([block.pcm for block in blocks])


def wav(
    audio: bytes, size: int | None = None, *, tag: int = 1, bits: int = 16, channels: int = 1, before: bytes = b""
) -> bytes:
    """A WAV file of 22050 Hz whose header claims `size` bytes of audio."""
    block = channels * bits // 8
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, 22050, 22050 * block, block, bits)
    size = len(audio) if size is None else size
    return b"RIFF\xff\xff\xff\xffWAVE" + before + form + struct.pack("<4sI", b"data", size) + audio


@pytest.mark.parametrize("piece", [7, 1000, 20000])
def test_raw_audio_is_read_as_declared(piece: int) -> None:
    blocks = read(RAMP.tobytes(), piece, rate=48000, channels=2)
    assert np.array_equal(samples(blocks), RAMP.reshape(-1, 2))
    assert blocks[0].rate == 48000


@pytest.mark.parametrize("size", [None, 0, 0xFFFFFFFF, 0x80000000, 1_000_000])
@pytest.mark.parametrize("piece", [13, 44, 20000])
def test_a_wav_is_read_to_its_end_whatever_its_header_claims(size: int | None, piece: int) -> None:
    blocks = read(wav(RAMP.tobytes(), size), piece)
    assert np.array_equal(samples(blocks)[:, 0], RAMP)
    assert blocks[0].rate == 22050


def test_what_follows_the_audio_of_a_wav_is_left_out() -> None:
    blocks = read(wav(RAMP.tobytes(), 2 * len(RAMP)) + b"LIST\x04\x00\x00\x00tags")
    assert np.array_equal(samples(blocks)[:, 0], RAMP)


def test_chunks_before_the_audio_are_passed_over() -> None:
    blocks = read(wav(RAMP.tobytes(), before=b"LIST\x05\x00\x00\x00abcde\x00"))
    assert np.array_equal(samples(blocks)[:, 0], RAMP)


def test_a_wav_of_floats_is_read() -> None:
    blocks = read(wav((RAMP / 32768).astype("<f4").tobytes(), tag=3, bits=32, channels=2), format="wav")
    assert np.array_equal(samples(blocks), RAMP.reshape(-1, 2))


def test_an_odd_byte_at_the_end_is_let_go() -> None:
    assert np.array_equal(samples(read(RAMP.tobytes() + b"\x01"))[:, 0], RAMP)


@pytest.mark.parametrize(
    ("content", "declared", "message"),
    [
        (b"", "auto", "ended before there was any audio"),
        (RAMP.tobytes(), "wav", "does not begin as a WAV"),
        (b"bad", "wav", "does not begin as a WAV"),
        (wav(RAMP.tobytes()), "s16le", "is a WAV, not s16le"),
        (b"fLaC" + bytes(100), "auto", "is FLAC, not PCM"),
        (b"ID3\x02" + bytes(100), "auto", "is MP3, not PCM"),
        (b"FORM\0\0\0\x64AIFF" + bytes(100), "auto", "is AIFF, not PCM"),
        (b"caff\0\x01\0\0" + bytes(100), "auto", "is CAF, not PCM"),
        (b"\0\0\0\x20ftypM4A " + bytes(100), "auto", "is MP4, not PCM"),
        (b"\x1aE\xdf\xa3" + bytes(100), "s16le", "is Matroska or WebM, not PCM"),
        (wav(b""), "auto", "holds no audio"),
        (wav(b"")[:-4] + b"\xff\xff\xff\xff", "auto", "holds no audio"),
        (b"\x01", "auto", "holds no audio"),
        (wav(RAMP.tobytes(), tag=85), "auto", "kind 85"),
        (wav(RAMP.tobytes(), channels=0), "auto", "0 channels"),
        (wav(RAMP.tobytes())[:30], "auto", "ended within its header"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0" + bytes(100), "wav", "does not say what its samples are"),
    ],
)
def test_what_was_not_declared_is_a_clear_error(content: bytes, declared: Any, message: str) -> None:
    with pytest.raises(SourceError, match=f"^standard input.*{message}"):
        read(content, format=declared)


def mp3(rate: int, channels: int) -> bytes:
    """A second of noise, without any tag."""
    noise = np.random.default_rng(0).standard_normal((rate, channels)) / 8
    stream = io.BytesIO()
    soundfile.write(stream, noise, rate, format="MP3")
    return stream.getvalue()[stream.getvalue().index(b"\xff") :]


@pytest.mark.parametrize("piece", [7, 20000])
@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (32000, 1), (24000, 1), (8000, 1)])
def test_mpeg_without_a_tag_is_told_by_two_frames(rate: int, channels: int, piece: int) -> None:
    with pytest.raises(SourceError, match="is MP3, not PCM"):
        read(mp3(rate, channels), piece)


@pytest.mark.parametrize("begins", [b"\xff\xff", b"\xff\xfb\x90\x64", b"\xff\xf3\x90\x64", b"\xff\xf2\x80\xc4"])
@pytest.mark.parametrize("long", [8, 6000])
def test_samples_that_begin_as_a_frame_of_mpeg_does_are_samples(begins: bytes, long: int) -> None:
    pcm = begins + RAMP.tobytes()[:long]
    assert samples(read(pcm)).tobytes() == pcm


def test_a_header_without_end_is_refused() -> None:
    with pytest.raises(SourceError, match="does not end"):
        header(b"RIFF\0\0\0\0WAVE" + struct.pack("<4sI", b"junk", 0x70000000) + bytes(2 << 20))


def test_a_pipe_has_times_and_a_file_has_none(tmp_path: Path) -> None:
    (tmp_path / "audio.raw").write_bytes(RAMP.tobytes())
    with (tmp_path / "audio.raw").open("rb") as file:
        from_file = list(Stdin(StdinConfig(), file.fileno()).blocks(lambda *_: None))
    assert from_file[0].captured_at is None
    assert read(RAMP.tobytes())[0].captured_at == pytest.approx(time.time(), abs=1)


def test_a_recording_sent_down_a_pipe_keeps_one_beginning() -> None:
    blocks = read(bytes(16000 * 2 * 20), rate=16000)
    beginnings = [block.captured_at - (block.start + len(block.pcm)) / 16000 for block in blocks if block.captured_at]
    assert max(beginnings) - min(beginnings) < 0.5


class Clocks:
    """Both clocks of an arrival, moved by the test."""

    def __init__(self) -> None:
        self.wall, self.now = 1_000_000.0, 100.0

    def arrival(self) -> Arrival:
        return Arrival(lambda: self.wall, lambda: self.now)

    def pass_s(self, seconds: float) -> None:
        self.wall += seconds
        self.now += seconds


@pytest.mark.parametrize("ppm", [-100, 0, 100])
def test_a_sample_clock_that_drifts_takes_no_stamp_from_the_wall_clock(ppm: int) -> None:
    clocks = Clocks()
    arrival = clocks.arrival()
    clocks.pass_s(30 * 86_400)
    assert arrival.captured_at(30 * 86_400 * (1 + ppm / 1e6)) == clocks.wall


def test_a_clock_that_is_set_back_leaves_no_stamp_in_the_future() -> None:
    clocks = Clocks()
    arrival = clocks.arrival()
    clocks.pass_s(60)
    clocks.wall -= 3600
    assert arrival.captured_at(60) == clocks.wall


def test_what_comes_faster_than_time_goes_on_from_its_beginning() -> None:
    clocks = Clocks()
    arrival = clocks.arrival()
    clocks.pass_s(2)
    assert arrival.captured_at(600) == pytest.approx(1_000_600, abs=0.01)


def test_close_ends_it_while_nothing_comes(listen: Callable[[BaseSource], Listening]) -> None:
    reader, writer = os.pipe()
    heard = listen(Stdin(StdinConfig(), reader))
    os.write(writer, RAMP.tobytes())
    eventually(lambda: heard.blocks, "the first block")
    assert heard.close() < 0.5
    os.close(writer)
    os.close(reader)
    assert heard.error is None


def test_a_terminal_is_no_audio() -> None:
    primary, secondary = os.openpty()
    with pytest.raises(SourceError, match="is a terminal"):
        next(Stdin(StdinConfig(), secondary).blocks(lambda *_: None))
    os.close(primary)
    os.close(secondary)
