"""Whatever libsndfile reads is a source; what it cannot read is one clear line."""

import struct
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from listener.errors import ConfigError, SourceError
from listener.pipeline.framer import Framer
from listener.pipeline.values import Block, Pcm
from listener.sources import mpeg
from listener.sources.base import BaseSource
from listener.sources.file import File, FileConfig
from listener.sources.pcm import amplified
from listener.sources.recording import read_blocks
from tests.sources.conftest import Listening
from tests.sources.streams import ENCODED, noise, rf64, wav, written

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


def length_s(path: Path) -> float:
    """How much of a recording is read."""
    return sum(len(block.pcm) / block.rate for block in read_blocks(path))


def test_a_wav_that_is_cut_off_is_read_as_far_as_it_goes_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = Path(recording(tmp_path / "whole.wav")).read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[:20044])
    assert length_s(tmp_path / "cut.wav") == 0.625
    (warning,) = caplog.messages
    assert warning.startswith(f"{tmp_path / 'cut.wav'}: ")
    assert " 0.4 s " in warning


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 32000, 32002, 32001, 400, 401])
def test_a_wav_is_read_to_its_end_whatever_its_header_declares(
    size: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "other.wav").write_bytes(wav(tone(16000).tobytes(), size, rate=16000))
    assert np.array_equal(
        np.concatenate([block.pcm for block in read_blocks(tmp_path / "other.wav")])[:, 0], tone(16000)
    )
    assert caplog.messages == []


@pytest.mark.parametrize("size", [0, 32000, 400])
@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW"])
def test_chunks_after_the_audio_are_no_audio(size: int, subtype: str, tmp_path: Path) -> None:
    content = written(tone(16000)[:, None], "WAV", subtype)
    at = content.index(b"data") + 4
    if subtype == "PCM_16":
        content = content[:at] + struct.pack("<I", size) + content[at + 4 :]
    (tmp_path / "tagged.wav").write_bytes(content + b"LIST\x05\x00\x00\x00title\x00id3 \x02\x00\x00\x00AB")
    expected = 16000 if subtype == "ULAW" or size == 32000 else 16000 + 24 / 2
    assert length_s(tmp_path / "tagged.wav") == expected / 16000


def without_length(flac: bytes, samples: int = 0) -> bytes:
    """A FLAC whose header declares another number of samples, 0 for unknown."""
    packed = int.from_bytes(flac[18:26], "big") >> 36 << 36 | samples
    return flac[:18] + packed.to_bytes(8, "big") + flac[26:]


def without_tag(mp3: bytes) -> bytes:
    """An MP3 without its Info frame, as a recorder that cannot seek writes it."""
    segment = next(mpeg.segments(mp3))
    return mp3[segment.audio :]


LOUD, QUIET = noise(4), noise(4) // 200  # of a variable bit rate: many bits, then few
VBR = np.concatenate([QUIET, LOUD])
FLAC, OGG, OPUS = (written(LOUD, "FLAC"), written(LOUD, "OGG"), written(LOUD, "OGG", "OPUS"))
MP3 = written(LOUD, "MP3")
ID3 = b"ID3\x04\0\0\0\0\0\x05title"
READ_WHOLE: dict[str, tuple[bytes, float]] = {
    "flac without length": (without_length(FLAC), 4),
    "flac with a wrong length": (without_length(FLAC, 8000), 4),
    "flac before a tag": (FLAC + b"TAG" + bytes(125), 4),
    "flac after a tag": (ID3 + FLAC, 4),
    "flac joined": (FLAC + without_length(FLAC), 8),
    "ogg joined": (OGG + OGG, 8),
    "opus joined": (OPUS + OPUS + OPUS, 12),
    "opus and vorbis": (OPUS + OGG, 8),
    "mp3": (MP3, 4),
    "mp3 joined": (MP3 + MP3, 8),
    "mp3 with tags between": (
        b"ID3\x04\0\0\0\0\0\x05title" + MP3 + b"TAG" + bytes(125) + b"ID3\x04\0\0\0\0\0\0" + MP3,
        8,
    ),
    "mp3 of variable rate without a tag": (without_tag(written(VBR, "MP3")), 8),
    "mp3 of two rates": (MP3 + written(noise(2, 2, 44100), "MP3", rate=44100), 6),
    "mp3 with a tag of another": (MP3 + without_tag(MP3), 8),
    "wav joined": (wav(LOUD.tobytes(), rate=16000) + wav(noise(2, 2).tobytes(), rate=16000, channels=2), 6),
    "wav of 24 bits in four bytes": (wav((LOUD.astype("<i4") << 8 | 1).tobytes(), bits=24, align=4, rate=16000), 4),
    "wav of 64 bit sizes": (rf64(LOUD.tobytes(), 0), 4 * 16000 / 22050),
}


@pytest.mark.parametrize("name", READ_WHOLE)
def test_a_recording_is_read_to_its_end_whatever_its_header_declares(name: str, tmp_path: Path) -> None:
    content, expected_s = READ_WHOLE[name]
    (tmp_path / name).write_bytes(content)
    assert length_s(tmp_path / name) == pytest.approx(expected_s, abs=0.35)
    starts = [(block.start, len(block.pcm), block.rate) for block in read_blocks(tmp_path / name)]
    for (start, count, rate), (later, _, other) in pairwise(starts):
        assert later == -(-(start + count) * other // rate)


@pytest.mark.parametrize("content", [FLAC[: len(FLAC) // 2], FLAC[:20000] + bytes(9000) + FLAC[29000:]])
def test_what_cannot_be_heard_of_a_damaged_recording_is_an_error_with_its_length(
    content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "damaged.flac").write_bytes(content)
    blocks = []
    with pytest.raises(SourceError) as caught:  # noqa: PT012 - after the blocks that can be read
        for block in read_blocks(tmp_path / "damaged.flac"):
            blocks.append(block)
    heard_s = sum(len(block.pcm) for block in blocks) / 16000
    assert caught.value.code == "source-damaged"
    assert f"{4 - heard_s:.1f} s were not heard" in caught.value.message
    assert "ffmpeg -i " in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "source-empty"),
        (wav(b""), "source-empty"),
        (b"this is a letter to a friend" * 20, "source-format"),
        (wav(bytes(800), channels=0), "source-format"),
        (bytes(100), "source-format"),
        (b"RIFF\x00\x00\x00\x00WAVEfm", "source-format"),
        (ENCODED["AAC (ADTS)"], "source-format"),
    ],
)
def test_what_is_no_recording_is_an_error_that_names_the_file(content: bytes, code: str, tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(content)
    with pytest.raises(SourceError) as caught:
        list(read_blocks(tmp_path / "r"))
    assert caught.value.code == code
    assert caught.value.message.startswith(f"{tmp_path / 'r'} ")


@pytest.mark.parametrize("name", ["absent.wav", ".", "/dev/null"])
def test_what_is_no_file_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        list(read_blocks(tmp_path / name))
    assert caught.value.code in ("file-unreadable", "source-empty")


def test_channel_and_gain_are_those_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "r.wav").write_bytes(written(noise(1, 6), "WAV"))
    heard = blocks(File(FileConfig(path=str(tmp_path / "r.wav"), channel=[0, 5], gain_db=6)))
    assert np.array_equal(heard[0].pcm, amplified(noise(1, 6)[:, [0, 5]], 6))


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
    with pytest.raises(ConfigError) as caught:
        File(FileConfig())
    assert caught.value.code == "source-path-missing"
