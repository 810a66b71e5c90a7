"""Containers and codecs recognised by their first bytes, so that encoded audio is never taken for samples."""

from collections.abc import Callable

from listener.sources import mpeg

PREFIXES: dict[tuple[int, bytes], str] = {  # (offset, bytes) -> name
    (0, b"OggS"): "Ogg",
    (0, b"fLaC"): "FLAC",
    (0, b"ID3\x02"): "MP3",
    (0, b"ID3\x03"): "MP3",
    (0, b"ID3\x04"): "MP3",
    (0, b"caff\x00\x01"): "CAF",
    (0, b"\x1aE\xdf\xa3"): "Matroska or WebM",
    (0, b"FORM"): "AIFF",
    (0, b".snd\x00\x00"): "AU",
    (0, b"dns.\x18\x00\x00\x00"): "AU",
    (0, b"RIFX"): "big-endian WAV (RIFX)",
    (0, b"riff\x2e\x91\xcf\x11"): "Wave64",
    (0, b"FLV\x01"): "FLV",
    (0, b"wvpk"): "WavPack",
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"): "WMA or another ASF file",
    (0, b"ADIF"): "AAC",
    (0, b"#!AMR"): "AMR",
    (0, b"MAC \x96"): "Monkey's Audio",
    (0, b"TTA1"): "TTA",
    (0, b"MPCK"): "Musepack",
    (0, b"MP+"): "Musepack",
    (0, b"DSD \x1c"): "DSD",
    (0, b"FRM8"): "DSD",
    (0, b"\x00\x00\x01\xba"): "an MPEG program stream",
    (0, b"\x7f\xfe\x80\x01"): "DTS",
    (0, b"\x0bw\x00\x00"): "AC-3",
    (0, b".SoX"): "SoX",
    (0, b"XoS."): "SoX",
    (0, b"NIST_1A"): "NIST SPHERE",
    (0, b"Creative Voice File"): "VOC",
    (0, b".RMF"): "RealMedia",
    (0, b"\x1f\x8b\x08\x00"): "gzip",
    (0, b"<!DOCTYPE"): "a web page",
    (0, b"<html"): "a web page",
    (0, b"HTTP/1."): "an HTTP answer",
    (4, b"ftyp"): "MP4",
    (4, b"moov"): "MP4",
}
FORMS = {b"AVI ": "AVI", b"RMID": "MIDI"}  # of a RIFF file that is not a WAV
TS_PACKET = 188  # bytes
AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
AC3_RATES = (48000, 44100, 32000)


def recognised(first: bytes) -> str:
    """Return the name of the container or codec that begins with these bytes, or an empty string if it may be PCM.

    Short sync words may as well be samples. They count only if another one follows where the first frame ends.
    """
    for (offset, prefix), name in PREFIXES.items():
        if first.startswith(prefix, offset):
            return name
    if first[:4] == b"RIFF" and first[8:12] in FORMS:
        return FORMS[first[8:12]]
    return next((name for name, length in SYNCED.items() if _repeats(first, length)), "")


def undecided_bytes(first: bytes) -> int:
    """Return how many bytes must be read before `recognised` can decide, 0 if these are enough."""
    lengths = (length(first) for length in SYNCED.values())
    wanted = max((length + mpeg.HEADER_BYTES for length in lengths if length), default=0)
    return wanted if wanted > len(first) else 0


def decoding_remedy(source: str, target: str = "-f wav - | listener …") -> str:
    """Return the remedy for encoded audio: the ffmpeg command that decodes it."""
    return f"Decode it first: ffmpeg -i {source} {target}"


def _repeats(first: bytes, length: Callable[[bytes], int]) -> bool:
    frame_bytes = length(first)
    return bool(frame_bytes and length(first[frame_bytes:]))


def _adts_bytes(frame: bytes) -> int:
    """Return the length of an AAC frame in ADTS (ISO 13818-7, 6.2)."""
    if len(frame) < 6 or frame[0] != 0xFF or frame[1] & 0xF6 != 0xF0 or frame[2] >> 2 & 15 > 12:
        return 0
    length = (frame[3] & 3) << 11 | frame[4] << 3 | frame[5] >> 5
    return length if length > 7 else 0


def _latm_bytes(frame: bytes) -> int:
    """Return the length of an AAC frame in LOAS (ISO 14496-3, 1.7)."""
    if len(frame) < 3 or frame[0] != 0x56 or frame[1] & 0xE0 != 0xE0:
        return 0
    return 3 + ((frame[1] & 0x1F) << 8 | frame[2])


def _ac3_bytes(frame: bytes) -> int:
    """Return the length of an AC-3 frame (ATSC A/52, 5.3)."""
    if (
        len(frame) < 5
        or frame[:2] != b"\x0bw"
        or frame[2:4] == frame[:2]
        or frame[4] >> 6 == 3
        or (frame[4] & 63) >= 2 * len(AC3_KBPS)
    ):
        return 0
    rate, index = AC3_RATES[frame[4] >> 6], frame[4] & 63
    words = AC3_KBPS[index >> 1] * 96000 // rate
    return 2 * (words + (index & 1 if rate == 44100 else 0))


def _ts_bytes(packet: bytes) -> int:
    return TS_PACKET if packet[:1] == b"G" and len(packet) > 3 and not packet[1] & 0x80 and packet[3] & 0x30 else 0


def _m2ts_bytes(packet: bytes) -> int:
    return TS_PACKET + 4 if _ts_bytes(packet[4:]) else 0


SYNCED: dict[str, Callable[[bytes], int]] = {
    "MP3 or another MPEG audio stream": mpeg.frame_bytes,
    "AAC (ADTS)": _adts_bytes,
    "AAC (LATM)": _latm_bytes,
    "AC-3": _ac3_bytes,
    "an MPEG transport stream": _ts_bytes,
    "an MPEG transport stream (M2TS)": _m2ts_bytes,
}
