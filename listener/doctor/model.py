"""Checks of the model: whether its bundle is complete, where it runs, and what it costs."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from listener import config as configuration
from listener.config import Config
from listener.daemon.build import build_pipeline
from listener.daemon.meter import Meter
from listener.doctor.finding import Finding, Severity, from_error
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import Bundle
from listener.pipeline.classifier import Classifier
from listener.pipeline.framer import Framer
from listener.pipeline.gates import GateConfig
from listener.pipeline.values import Block

MEASURED_S = 10  # of audio
BLOCK_S = 0.16  # as long as the blocks of a microphone
NVIDIA = Path("/proc/driver/nvidia/version")
EXPENSIVE = 0.5  # share of one core


def model(config: Config) -> Iterator[Finding]:
    """Check the bundle, the provider and the cost."""
    bundle = bundles.load(bundles.find(config.model.bundle))
    text = f"{bundle.name}: {len(bundle.labels)} labels, all digests match; {bundle.manifest.licence}"
    yield Finding("model", Severity.OK, "model-complete", text)
    for mismatch in configuration.mismatches(config, bundle):
        yield from_error("model", mismatch, Severity.WARNING)
    configuration.rules(config, bundle)
    classifier = Classifier(bundle, config.model.providers)
    yield _provider(config, classifier)
    yield _cost(config, bundle, classifier)


def _provider(config: Config, classifier: Classifier) -> Finding:
    text, remedy = f"runs on {classifier.provider}", ""
    if classifier.provider == "cpu" and config.model.providers == "auto" and NVIDIA.exists():
        remedy = "To use the NVIDIA GPU, install onnxruntime-gpu in place of onnxruntime."
    return Finding("model", Severity.OK, f"model-on-{classifier.provider}", text, remedy)


def _cost(config: Config, bundle: Bundle, classifier: Classifier) -> Finding:
    """Run the pipeline over noise, in blocks as from a microphone, with the gate always open: the highest cost."""
    rate = bundle.features.sample_rate
    loop = build_pipeline(replace(config, gate=GateConfig(kind="open")), bundle, classifier.stream(), "doctor")
    meter = Meter("doctor", loop)
    loop.observers = (meter,)
    size = round(BLOCK_S * rate)
    noise = np.random.default_rng(0).normal(0, 100, (MEASURED_S * rate, 1)).astype(np.int16)
    blocks = [Block(start, rate, noise[start : start + size]) for start in range(0, len(noise), size)]
    began_s = time.thread_time()
    for _ in loop.events(Framer(rate).frames(blocks)):
        pass
    share = (time.thread_time() - began_s) / MEASURED_S
    inference_ms = 1000 * meter.busy_s / max(meter.clips, 1)
    text = f"one inference takes {inference_ms:.1f} ms; while the gate is open, {100 * share:.1f} % of one core is used"
    if share < EXPENSIVE:
        return Finding("model", Severity.OK, "model-cost", f"{text}, capture not included")
    remedy = "Increase clips.hop_s. Audio is lost if the core is also busy with something else."
    return Finding("model", Severity.WARNING, "model-expensive", text, remedy)
