"""Whatever libsndfile reads is a source; what it cannot read is one clear line."""

import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener.errors import ConfigError, SourceError
from listener.pipeline.framer import Framer
from listener.pipeline.values import Block, Pcm
from listener.sources.base import BaseSource
from listener.sources.file import File, FileConfig, read_blocks
from tests.sources.conftest import Listening

Listen = Callable[[BaseSource], Listening]


def tone(rate: int, seconds: float = 1.0) -> Pcm:
    return (9000 * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)).astype(np.int16)


def blocks(source: File) -> list[Block]:
    return list(source.blocks(lambda *_: None))


def recording(path: Path, rate: int = 16000, seconds: float = 1.0) -> str:
    soundfile.write(path, tone(rate, seconds), rate)
    return str(path)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("rate", [8000, 16000, 192000])
def test_samples_arrive_as_they_are(suffix: str, rate: int, tmp_path: Path) -> None:
    path = recording(tmp_path / f"tone.{suffix}", rate, 2.5)
    heard = blocks(File(FileConfig(path=path)))
    assert np.array_equal(np.concatenate([block.pcm for block in heard])[:, 0], tone(rate, 2.5))
    assert [block.start for block in heard] == [0, rate, 2 * rate]
    assert {block.rate for block in heard} == {rate}
    assert heard[0].captured_at is None


def test_a_lossy_recording_is_read(tmp_path: Path) -> None:
    heard = blocks(File(FileConfig(path=recording(tmp_path / "tone.ogg", 44100))))
    assert sum(len(block.pcm) for block in heard) == 44100


def test_numbers_that_are_none_are_silence(tmp_path: Path) -> None:
    samples = np.array([np.nan, np.inf, -np.inf, 0.5, 2.0] * 100, np.float32)
    soundfile.write(tmp_path / "odd.wav", samples, 16000, subtype="FLOAT")
    (block,) = read_blocks(tmp_path / "odd.wav")
    assert block.pcm[:5, 0].tolist() == [0, 32767, -32768, 16384, 32767]


def test_the_shortest_file_gives_a_frame(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "click.wav", np.ones(1, np.int16), 48000)
    assembler = Framer(16000)
    frames = [*assembler.frames(read_blocks(tmp_path / "click.wav")), *assembler.flush()]
    assert len(frames) == 1


def test_a_wav_cut_off_is_read_as_far_as_it_goes_and_said_to_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = Path(recording(tmp_path / "whole.wav")).read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[:20044])
    assert sum(len(block.pcm) for block in read_blocks(tmp_path / "cut.wav")) == 10000
    (said,) = caplog.messages
    assert said.startswith(f"{tmp_path / 'cut.wav'}: damaged after 0.6 s (it is cut off: 0.4 s that its header")
    assert said.endswith("; the rest is left out")


@pytest.mark.parametrize("claimed", [0, 0xFFFFFFFF, 32000, 32002])
def test_a_wav_that_is_whole_or_does_not_say_is_not_called_cut_off(
    claimed: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = Path(recording(tmp_path / "whole.wav")).read_bytes()
    (tmp_path / "other.wav").write_bytes(whole[:40] + struct.pack("<I", claimed) + whole[44:])
    try:
        list(read_blocks(tmp_path / "other.wav"))
    except SourceError:
        assert claimed == 0  # libsndfile takes it at its word
    assert caplog.messages == []


@pytest.mark.parametrize("suffix", ["flac", "ogg"])
def test_a_compressed_file_cut_off_is_read_as_far_as_it_goes(suffix: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-9000, 9000, 16000 * 8, dtype=np.int16)
    soundfile.write(tmp_path / f"whole.{suffix}", noise, 16000)
    whole = (tmp_path / f"whole.{suffix}").read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(whole[: len(whole) // 2])
    heard = sum(len(block.pcm) for block in read_blocks(tmp_path / f"cut.{suffix}"))
    assert 16000 < heard < 16000 * 6


def no_channels() -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 0, 16000, 0, 0, 16)
    return b"RIFF" + struct.pack("<I", 36 + 800) + b"WAVE" + form + struct.pack("<4sI", b"data", 800) + bytes(800)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.wav", b"", "is empty"),
        ("text.wav", b"this is a letter to a friend" * 20, "not audio that can be read"),
        ("header.wav", None, "holds no audio"),
        ("mute.wav", no_channels(), "not audio that can be read"),
        ("samples.raw", bytes(100), "not audio that can be read"),
        ("cut.wav", b"RIFF\x00\x00\x00\x00WAVEfm", "not audio that can be read"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_names_the_file(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if content is None:
        soundfile.write(path, np.empty(0, np.int16), 16000)
    else:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=f"^{path}: .*{message}") as said:
        list(read_blocks(path))
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(("name", "message"), [("absent.wav", "No such file"), (".", "Is a directory")])
def test_what_is_no_file_says_so(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=message):
        list(read_blocks(tmp_path / name))


def test_a_recording_at_its_own_pace_takes_its_own_time(tmp_path: Path) -> None:
    source = File(FileConfig(path=recording(tmp_path / "tone.wav", seconds=0.5), realtime=True))
    began = time.monotonic()
    heard = blocks(source)
    assert 0.5 <= time.monotonic() - began < 1.0
    assert sum(len(block.pcm) for block in heard) == 8000


def test_close_ends_a_recording_at_its_own_pace(listen: Listen, tmp_path: Path) -> None:
    heard = listen(File(FileConfig(path=recording(tmp_path / "tone.wav", seconds=60), realtime=True)))
    heard.heard(2)
    assert heard.close() < 0.2


def test_a_loop_goes_on_counting(listen: Listen, tmp_path: Path) -> None:
    heard = listen(File(FileConfig(path=recording(tmp_path / "tone.wav", seconds=0.1), realtime=True, loop=True)))
    heard.heard(8)
    assert heard.gaps_s() == []
    assert heard.blocks[-1].start > 1600


def test_closed_before_it_began_it_gives_nothing(tmp_path: Path) -> None:
    source = File(FileConfig(path=recording(tmp_path / "tone.wav")))
    source.close()
    source.close()
    assert blocks(source) == []


def test_no_path_is_an_error_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="path is empty"):
        File(FileConfig())
