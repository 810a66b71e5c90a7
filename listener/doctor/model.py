"""Whether the model is whole and runs here, and what it costs."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from listener import config as configuration
from listener.config import Config
from listener.daemon.build import build_pipeline
from listener.daemon.meter import Meter
from listener.doctor.finding import Finding, Severity
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import Bundle
from listener.pipeline.classifier import Classifier
from listener.pipeline.framer import Framer
from listener.pipeline.gates import GateConfig
from listener.pipeline.values import Block

TRIED_S = 10  # of audio
NVIDIA = Path("/proc/driver/nvidia/version")
DEAR = 0.5  # of one core


def model(config: Config) -> Iterator[Finding]:
    """The bundle's parts, where it runs, and its cost."""
    bundle = bundles.load(bundles.find(config.model.bundle))
    labels, licence = len(bundle.labels), bundle.manifest.licence
    yield Finding("model", Severity.OK, f"{bundle.name}: {labels} labels, every part as its digest says; {licence}")
    for mismatch in configuration.mismatches(config, bundle):
        yield Finding("model", Severity.WARNING, mismatch.message, mismatch.remedy)
    configuration.rules(config, bundle)
    classifier = Classifier(bundle, config.model.providers)
    yield from _provider(config, classifier)
    yield from _cost(config, bundle, classifier)


def _provider(config: Config, classifier: Classifier) -> Iterator[Finding]:
    text = f"it runs on {classifier.provider}"
    if classifier.provider == "cpu" and config.model.providers == "auto" and NVIDIA.exists():
        text += "; there is an NVIDIA GPU, which onnxruntime-gpu in place of onnxruntime would use"
    yield Finding("model", Severity.OK, text)


def _cost(config: Config, bundle: Bundle, classifier: Classifier) -> Iterator[Finding]:
    """Run the whole loop over ten seconds of noise with the gate open: the dearest that a room can be."""
    rate = bundle.features.sample_rate
    loop = build_pipeline(replace(config, gate=GateConfig(kind="open")), bundle, classifier.stream(), "doctor")
    meter = Meter("doctor", loop)
    loop.observers = (meter,)
    noise = np.random.default_rng(0).normal(0, 100, (TRIED_S * rate, 1)).astype(np.int16)
    began_s = time.thread_time()
    for _ in loop.events(Framer(rate).frames([Block(0, rate, noise)])):
        pass
    share = (time.thread_time() - began_s) / TRIED_S
    inference_ms = 1000 * meter.busy_s / max(meter.clips, 1)
    text = f"a clip takes {inference_ms:.1f} ms; listening costs {100 * share:.1f} % of one core while the gate is open"
    if share < DEAR:
        yield Finding("model", Severity.OK, text)
        return
    remedy = "set clips.hop_s higher; a core that is busy otherwise loses audio"
    yield Finding("model", Severity.WARNING, text, remedy)
