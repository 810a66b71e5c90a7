"""Standard input, raw or WAV, to its very end; and what is said when it is something else."""

import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from listener.errors import SourceError
from listener.pipeline.values import Block, Pcm
from listener.sources.base import BaseSource
from listener.sources.stdin import Stdin, StdinConfig
from tests.sources.conftest import Listening
from tests.sources.streams import ENCODED, noise, rf64, wav, written
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


@pytest.mark.parametrize("piece", [7, 1000, 20000])
def test_raw_audio_is_read_as_declared(piece: int) -> None:
    blocks = read(RAMP.tobytes(), piece, rate=48000, channels=2)
    assert np.array_equal(samples(blocks), RAMP.reshape(-1, 2))
    assert blocks[0].rate == 48000


@pytest.mark.parametrize("size", [None, 0, 0xFFFFFFFF, 0x80000000, 1_000_000, 2, 5001])
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


WHOLE = wav(RAMP.tobytes())


@pytest.mark.parametrize(
    ("content", "declared", "code"),
    [
        (b"", "auto", "source-empty"),
        (wav(b""), "auto", "source-empty"),
        (wav(b"", 0xFFFFFFFF), "auto", "source-empty"),
        (b"\x01", "auto", "source-empty"),
        (RAMP.tobytes(), "wav", "wav-invalid"),
        (b"bad", "wav", "wav-invalid"),
        (WHOLE, "s16le", "source-encoded"),
        (wav(RAMP.tobytes(), tag=85), "auto", "wav-encoding"),
        (wav(RAMP.tobytes(), bits=20, align=2), "auto", "wav-encoding"),
        (wav(RAMP.tobytes(), channels=0), "auto", "wav-invalid"),
        (wav(RAMP.tobytes(), rate=3), "auto", "wav-invalid"),
        (WHOLE[:30], "auto", "wav-invalid"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0" + bytes(100), "wav", "wav-invalid"),
        (b"RIFF\0\0\0\0WAVE" + struct.pack("<4sI", b"junk", 0x70000000) + bytes(2 << 20), "wav", "wav-invalid"),
    ],
)
def test_what_was_not_declared_is_an_error(content: bytes, declared: Any, code: str) -> None:
    with pytest.raises(SourceError) as caught:
        read(content, 1 << 16, format=declared)
    assert caught.value.code == code
    assert caught.value.message.startswith("standard input")


@pytest.mark.parametrize("name", ENCODED)
@pytest.mark.parametrize("declared", ["auto", "s16le"])
def test_encoded_audio_is_an_error_with_the_command_that_decodes_it(name: str, declared: Any) -> None:
    with pytest.raises(SourceError) as caught:
        read(ENCODED[name], format=declared)
    assert caught.value.code == "source-encoded"
    assert "ffmpeg -i - -f wav - |" in caught.value.remedy


@pytest.mark.parametrize("piece", [7, 20000])
@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (32000, 1), (24000, 1), (8000, 1)])
def test_mp3_without_a_tag_is_recognised(rate: int, channels: int, piece: int) -> None:
    mp3 = written(noise(1, channels, rate), "MP3", rate=rate)
    with pytest.raises(SourceError) as caught:
        read(mp3[mp3.index(b"\xff") :], piece)
    assert caught.value.code == "source-encoded"


@pytest.mark.parametrize("begins", [b"\xff\xff", b"\xff\xfb\x90\x64", b"\xff\xf3\x90\x64", b"\xff\xf2\x80\xc4"])
@pytest.mark.parametrize("long", [8, 6000])
def test_samples_that_begin_like_mp3_are_samples(begins: bytes, long: int) -> None:
    pcm = begins + RAMP.tobytes()[:long]
    assert samples(read(pcm)).tobytes() == pcm


@pytest.mark.parametrize("shift", [8, 0])
@pytest.mark.parametrize("piece", [13, 5000])
def test_24_bits_in_four_bytes_are_read_whichever_end_they_are_at(shift: int, piece: int) -> None:
    words = (RAMP.astype("<i4") << 8 | 0x55) << shift
    blocks = read(wav(words.tobytes(), bits=24, align=4), piece)
    assert np.array_equal(samples(blocks)[:, 0], RAMP)


@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
@pytest.mark.parametrize("size", [0, 2 * len(RAMP), 5 << 32])
def test_a_wav_of_64_bit_sizes_is_read_to_its_end(name: bytes, size: int) -> None:
    assert np.array_equal(samples(read(rf64(RAMP.tobytes(), size, name)))[:, 0], RAMP)


def test_joined_wavs_are_read_one_after_the_other() -> None:
    parts = wav(RAMP.tobytes()) + b"LIST\x03\x00\x00\x00tag\x00" + wav(RAMP.tobytes(), channels=2, rate=44100)
    first, *_, last = read(parts, 5000)
    assert (first.rate, last.rate) == (22050, 44100)
    assert last.start + len(last.pcm) == 2 * len(RAMP) + len(RAMP) // 2


@pytest.mark.parametrize(("channel", "chosen"), [(None, [0, 1]), (1, [1]), ([1, 0], [1, 0])])
def test_channels_can_be_chosen(channel: Any, chosen: list[int]) -> None:
    pcm = samples(read(RAMP.tobytes(), channels=2, channel=channel))
    assert np.array_equal(pcm, RAMP.reshape(-1, 2)[:, chosen])


def test_a_channel_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SourceError) as caught:
        read(RAMP.tobytes(), channels=2, channel=2)
    assert caught.value.code == "source-channel"


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


def test_close_ends_it_while_nothing_comes(listen: Callable[[BaseSource], Listening]) -> None:
    reader, writer = os.pipe()
    heard = listen(Stdin(StdinConfig(), reader))
    os.write(writer, RAMP.tobytes())
    eventually(lambda: heard.blocks, "the first block")
    assert heard.close() < 0.5
    os.close(writer)
    os.close(reader)
    assert heard.error is None


def test_a_terminal_is_an_error() -> None:
    primary, secondary = os.openpty()
    with pytest.raises(SourceError) as caught:
        next(Stdin(StdinConfig(), secondary).blocks(lambda *_: None))
    assert caught.value.code == "stdin-terminal"
    os.close(primary)
    os.close(secondary)


def test_a_closed_standard_input_is_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(SourceError) as caught:
        next(Stdin(StdinConfig(), reader).blocks(lambda *_: None))
    assert caught.value.code == "stdin-closed"
