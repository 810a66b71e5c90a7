"""Bundles from strangers: the manifest, the filter bank, and the model itself. Whatever they are, at worst refused."""

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from listener import config as configuration
from listener.daemon.build import build_pipeline
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import FILTERS, MANIFEST, MODEL, Bundle
from listener.pipeline.classifier import Classifier
from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats, Frames
from tests import conftest as tiny

Take = Callable[[bytes], object]

FRAMES = 75  # of 20 ms
KEYS = (b'"labels": [', b'"rules": {', b'"features": {', b'"hop": 0', b'"fft": 1', b'"frame_s": 1', b'"mels": 1')


@contextmanager
def manifest(scratch: Path) -> Iterator[Take]:
    """bundle.json, with a model and filters that are as it says."""
    folder = _tiny(scratch)

    def take(text: bytes) -> None:
        (folder / MANIFEST).write_bytes(text)
        _listen(bundles.load(folder))

    yield take


@contextmanager
def filters(scratch: Path) -> Iterator[Take]:
    """filters.npy, whose digest the stranger has put right."""
    folder = _tiny(scratch)
    honest = msgspec.json.decode((folder / MANIFEST).read_bytes())

    def take(content: bytes) -> None:
        (folder / FILTERS).write_bytes(content)
        honest["sha256"][FILTERS] = hashlib.sha256(content).hexdigest()
        (folder / MANIFEST).write_bytes(msgspec.json.encode(honest))
        _listen(bundles.load(folder))

    yield take


@contextmanager
def onnx(scratch: Path) -> Iterator[Take]:
    """model.onnx, whose digest the stranger has put right."""
    bundle = bundles.load(_tiny(scratch))

    def take(content: bytes) -> None:
        Classifier(replace(bundle, model=content), "cpu")

    yield take


def filter_seeds() -> list[bytes]:
    """The bank as numpy writes it, and one that is small."""
    return [_saved(tiny.filters(FeatureSpec())), _saved(tiny.filters(FeatureSpec())[:2])]


def onnx_seeds() -> list[bytes]:
    """A model that is real, and small."""
    return [tiny.tiny_model(len(tiny.TINY_LABELS))]


def manifest_seeds() -> list[bytes]:
    """The manifest of the small bundle, with the right digests."""
    parts = {MODEL: tiny.tiny_model(len(tiny.TINY_LABELS)), FILTERS: _saved(tiny.filters(FeatureSpec()))}
    digests = {part: hashlib.sha256(content).hexdigest() for part, content in parts.items()}
    return [msgspec.json.format(msgspec.json.encode(tiny.manifest(sha256=digests, familiar=0.0)), indent=1)]


def _saved(bank: Floats) -> bytes:
    file = io.BytesIO()
    np.save(file, bank, allow_pickle=False)
    return file.getvalue()


def _tiny(scratch: Path) -> Path:
    folder = scratch / "bundle"
    bundles.write(folder, tiny.manifest(), tiny.tiny_model(len(tiny.TINY_LABELS)), tiny.filters(FeatureSpec()))
    return folder


def _listen(bundle: Bundle) -> None:
    """A second and a half with it, as the daemon would."""
    config = configuration.load(None, ["gate.kind=open"])
    loop = build_pipeline(config, bundle, Classifier(bundle, "cpu").stream(), "x")
    size = bundle.features.frame_samples
    noise = np.random.default_rng(0).integers(-3000, 3000, FRAMES * size, dtype=np.int16)
    frames = Frames(0, noise.reshape(FRAMES, size), np.full(FRAMES, -20.0, np.float32))
    for _ in loop.events([frames]):
        pass
