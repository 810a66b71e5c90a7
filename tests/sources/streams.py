"""Encoded audio of every kind, built without an encoder where libsndfile has none."""

import io
import struct

import numpy as np
import soundfile

from listener.pipeline.values import Pcm

RATE = 16000


def noise(seconds: float, channels: int = 1, rate: int = RATE, seed: int = 0) -> Pcm:
    """White noise, int16 (samples, channels)."""
    return np.random.default_rng(seed).integers(-9000, 9000, (round(seconds * rate), channels), dtype=np.int16)


def written(pcm: Pcm, container: str, subtype: str | None = None, rate: int = RATE) -> bytes:
    """A file that libsndfile writes."""
    file = io.BytesIO()
    soundfile.write(file, pcm, rate, format=container, subtype=subtype)
    return file.getvalue()


def wav(
    audio: bytes,
    size: int | None = None,
    *,
    tag: int = 1,
    bits: int = 16,
    channels: int = 1,
    align: int | None = None,
    before: bytes = b"",
    rate: int = 22050,
) -> bytes:
    """A WAV whose header declares `size` bytes of audio."""
    align = channels * bits // 8 if align is None else align
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate, rate * align, align, bits)
    size = len(audio) if size is None else size
    return b"RIFF\xff\xff\xff\xffWAVE" + before + form + struct.pack("<4sI", b"data", size) + audio


def rf64(audio: bytes, size: int, name: bytes = b"RF64") -> bytes:
    """A WAV of more than 4 GiB by its header (EBU Tech 3306)."""
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, 0, size, 0, 0)
    return name + wav(audio, 0xFFFFFFFF, before=sizes)[4:]


def adts(frames: int = 3, payload: int = 100) -> bytes:
    """AAC as radio stations send it."""
    size = payload + 7
    header = bytes([0xFF, 0xF1, 0x50, 0x80 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC])
    return (header + bytes(payload)) * frames


def latm(frames: int = 3, payload: int = 100) -> bytes:
    """AAC as digital television sends it."""
    return (bytes([0x56, 0xE0 | payload >> 8, payload & 0xFF]) + bytes(payload)) * frames


def mpeg_layer(layer: int, frames: int = 3) -> bytes:
    """MPEG 1 audio of 44.1 kHz without a tag: MP2 for example."""
    header = bytes([0xFF, 0xF9 | (4 - layer) << 1, 0x50, 0])
    kbps = {1: 160, 2: 80, 3: 64}[layer]
    size = 12 * kbps * 1000 // 44100 * 4 if layer == 1 else 144 * kbps * 1000 // 44100
    return (header + bytes(size - 4)) * frames


def transport_stream(packets: int = 3, prefix: bytes = b"") -> bytes:
    """Packets of digital television; with a time stamp before each as on Blu-ray."""
    return (prefix + b"\x47\x40\x11\x10" + bytes(184)) * packets


def ac3(frames: int = 3) -> bytes:
    """AC-3 of 48 kHz and 32 kbit/s."""
    return (b"\x0bw\x12\x34\x00" + bytes(123)) * frames


ENCODED: dict[str, bytes] = {  # name -> how such a stream begins
    "AAC (ADTS)": adts(),
    "AAC (LATM)": latm(),
    "AC-3": ac3(),
    "MPEG transport": transport_stream(),
    "M2TS": transport_stream(prefix=bytes(4)),
    "MPEG audio": mpeg_layer(2),
    "MPEG": mpeg_layer(1),
    "Ogg": b"OggS" + bytes(100),
    "FLAC": b"fLaC" + bytes(100),
    "MP3": b"ID3\x02" + bytes(100),
    "AIFF": b"FORM\0\0\0\x64AIFF" + bytes(100),
    "CAF": b"caff\0\x01\0\0" + bytes(100),
    "MP4": b"\0\0\0\x20ftypM4A " + bytes(100),
    "Matroska": b"\x1aE\xdf\xa3" + bytes(100),
    "FLV": b"FLV\x01\x04" + bytes(100),
    "WavPack": b"wvpk" + bytes(100),
    "WMA": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(100),
    "AU": b".snd" + struct.pack(">IIIII", 24, 0xFFFFFFFF, 3, 8000, 1) + bytes(100),
    "RIFX": b"RIFX\0\0\0\x64WAVEfmt " + bytes(100),
    "Wave64": bytes.fromhex("726966662e91cf11a5d628db04c10000") + bytes(100),
    "AVI": b"RIFF\0\0\0\x64AVI LIST" + bytes(100),
    "AMR": b"#!AMR\n" + bytes(100),
    "web page": b"<!DOCTYPE html>" + bytes(100),
}
