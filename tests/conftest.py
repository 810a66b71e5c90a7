"""What many tests need: real recordings where they are at hand, and a tiny bundle that is real ONNX."""

import csv
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
import soxr

from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import Bundle, LabelRule, Manifest
from listener.pipeline.features import FeatureSpec
from listener.pipeline.values import Floats
from tests import hermetic
from tests.broker import Broker, certificates
from tests.fakes import SPEC
from tests.virtual import VirtualMic

# Put before a command that is to heed SIGHUP also where the tests run under nohup, which a child would inherit.
HEEDING_HANGUPS = ("env", "--default-signal=HUP")

SHARED = Path(__file__).resolve().parents[2] / "shared"
TINY_LABELS = ["hiss", "hum", "nothing"]


def shared_path(label: str, number: int = 0) -> Path:
    """A real recording of a label; the test is skipped, saying so, on a machine without them."""
    metadata = SHARED / "data" / "metadata.csv"
    if not metadata.exists():
        pytest.skip("the real recordings (../shared/data) are not here")
    with metadata.open(newline="") as lines:
        paths = [row["path"] for row in csv.DictReader(lines) if row["label"] == label]
    return metadata.parent / paths[number]


def shared_recording(label: str, rate: int, number: int = 0) -> Floats:
    """The same, as mono samples at a rate."""
    samples, own_rate = soundfile.read(shared_path(label, number), dtype="float32", always_2d=True)
    resampled: Floats = soxr.resample(samples.mean(axis=1), own_rate, rate)
    return resampled


def tiny_model(labels: int, mels: int = 64) -> bytes:
    """An ONNX model as small as one can be: it scores high the more there is in the upper half of the spectrum."""
    from onnx import TensorProto, checker, helper, numpy_helper

    weights = np.zeros((mels, labels), np.float32)
    weights[mels // 2 :, 0] = 4.0 / mels
    weights[: mels // 2, min(1, labels - 1)] = 4.0 / mels
    nodes = [
        helper.make_node("ReduceMean", ["mel"], ["mean"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["batch", mels, None])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", labels])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def filters(spec: FeatureSpec) -> Floats:
    """A filter bank of flat bands: what it is matters only to `test_features`, which has librosa's."""
    bins = spec.fft // 2 + 1
    edges = np.linspace(0, bins, spec.mels + 1).astype(int)
    bank = np.zeros((spec.mels, bins), np.float32)
    for row, (low, high) in enumerate(pairwise(edges)):
        bank[row, low:high] = 0.01
    return bank


def manifest(**changes: object) -> Manifest:
    """The manifest of the tiny bundle."""
    plain = Manifest(
        format=1,
        name="tiny",
        labels=TINY_LABELS,
        groups={"all": TINY_LABELS},
        rules={"hiss": LabelRule(on=0.6, off=0.5, hold_s=1.0)},
        features=SPEC,
        sha256={},
        licence="Apache-2.0",
        provenance={},
        metrics={},
    )
    return msgspec.structs.replace(plain, **changes)


def with_manifest(bundle: Bundle, **changes: object) -> Bundle:
    """A bundle with another manifest, unchecked."""
    return replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, **changes))


pytest_plugins = ["tests.skips"]
# Fixtures that start a server, a browser, a machine or a sound card; most of them take seconds.
SLOW_FIXTURES = {"virtual_mic", "browser", "box", "wheel", "sdist"}
SYSTEM_FIXTURES = SLOW_FIXTURES | {"broker"}
# Fixtures that are made once for a module: its tests stay in one process.
SHARED_FIXTURES = {"browser", "box", "wheel", "sdist", "trained", "exported", "pool", "bank"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures that they use, and begin with the slow ones, so that no process is left waiting."""
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        for mark, fixtures in (("slow", SLOW_FIXTURES), ("system", SYSTEM_FIXTURES)):
            if fixtures & used:
                item.add_marker(mark)
        if SHARED_FIXTURES & used:
            item.add_marker(pytest.mark.xdist_group(item.path.name))
        if not {"system", "slow"} & {mark.name for mark in item.iter_markers()}:
            item.add_marker("unit")
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_configure(config: pytest.Config) -> None:
    """Give fixtures that outlive a test, and whatever they start, folders of their own."""
    folder = Path(tempfile.mkdtemp(prefix="listener-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    os.environ.setdefault("MPLCONFIGDIR", str(folder))  # its cache of fonts takes seconds to build
    for variable in hermetic.INHERITED:
        os.environ.pop(variable, None)
    os.environ.update(hermetic.environment(folder))


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, XDG folders and system paths that belong to this test."""
    folder = tmp_path_factory.mktemp("u")
    for variable in hermetic.INHERITED:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in hermetic.environment(folder).items():
        monkeypatch.setenv(variable, value)
    return folder


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    """A bundle on disk, to be damaged."""
    folder = tmp_path / "tiny"
    bundles.write(folder, manifest(), tiny_model(len(TINY_LABELS)), filters(SPEC))
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle to be used."""
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    bundles.write(folder, manifest(), tiny_model(len(TINY_LABELS)), filters(SPEC))
    return bundles.load(folder)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of a broker's and of its clients, by an authority of the tests' own."""
    folder = tmp_path_factory.mktemp("certificates")
    certificates(folder)
    return folder


@pytest.fixture
def broker(tmp_path: Path, authority: Path) -> Iterator[Broker]:
    """A broker that runs."""
    broker = Broker(tmp_path / "broker", authority)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def virtual_mic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualMic]:
    """A microphone of this test's own, which PortAudio finds by the environment."""
    if not shutil.which("apt-get") and not shutil.which("pulseaudio"):
        pytest.skip("no pulseaudio on this machine: nothing to make a virtual microphone of")
    mic = VirtualMic(tmp_path / "mic")
    mic("start")
    for line in (mic.folder / "env").read_text().splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        monkeypatch.setenv(name, value.strip("'"))
    yield mic
    mic("stop")
