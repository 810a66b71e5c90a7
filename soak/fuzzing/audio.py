"""Audio from strangers: WAV headers and recordings, in a file and through a pipe."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from listener.messages import SourceState
from listener.sources.recording import read_blocks
from listener.sources.stdin import Stdin, StdinConfig

CHUNKS = (b"RIFF", b"RF64", b"WAVE", b"fmt ", b"data", b"LIST", b"\xfe\xff", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00")
SAMPLES = 300


@contextmanager
def recording(scratch: Path) -> Iterator[Callable[[bytes], object]]:
    """As the file source reads it."""
    path = scratch / "recording.wav"

    def take(content: bytes) -> None:
        path.write_bytes(content)
        for _ in read_blocks(path):
            pass

    yield take


@contextmanager
def stdin(scratch: Path) -> Iterator[Callable[[bytes], object]]:
    """As the stdin source reads it, from a file, which never waits."""
    path = scratch / "piped"

    def take(content: bytes) -> None:
        path.write_bytes(content)
        handle = os.open(path, os.O_RDONLY)
        try:
            for _ in Stdin(StdinConfig(), handle).blocks(_report):
                pass
        finally:
            os.close(handle)

    yield take


def seeds() -> list[bytes]:
    """Short recordings of the kinds that are read.

    Not Ogg: libsndfile keeps some 5 kB of each damaged one, in a program that does nothing else too.
    """
    samples = np.random.default_rng(0).uniform(-1, 1, (SAMPLES, 2)).astype(np.float32)
    kinds = [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAVEX", "PCM_U8"), ("FLAC", "PCM_16")]
    return [*(_written(samples, *kind) for kind in kinds), bytes(500)]


def _written(samples: "np.ndarray", kind: str, subtype: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format=kind, subtype=subtype)
    return file.getvalue()


def _report(_state: SourceState, _detail: str) -> None:
    """Nobody asks."""
