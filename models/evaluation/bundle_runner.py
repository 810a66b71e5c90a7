"""Run a bundle as the daemon does: the real gate, clips, model and tracker over whole recordings."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from listener import config as configuration
from listener.daemon.build import build_pipeline
from listener.messages import Event
from listener.pipeline import bundle
from listener.pipeline.classifier import Classifier
from listener.pipeline.framer import frames_of
from listener.pipeline.observer import Observer
from listener.pipeline.values import Block, Frames, Pcm, Prediction
from models.evaluation.event_matching import ReportedEvent

RATE = 16_000


class BundleRunner:
    """A bundle behind the default configuration, with every label reported. Streams may run in threads."""

    def __init__(self, folder: Path) -> None:
        self.bundle = bundle.load(folder)
        self._classifier = Classifier(self.bundle, "cpu")

    @property
    def labels(self) -> tuple[str, ...]:
        """The bundle's labels."""
        return self.bundle.labels

    def events(self, pcm: Pcm, rate: int = RATE) -> list[ReportedEvent]:
        """The events of a recording, int16 (n,), in order of detection."""
        return self.listen(pcm, rate)[0]

    def predictions(self, pcm: Pcm, rate: int = RATE, *, gate: str = "either") -> list[Prediction]:
        """The model's answers for every clip that the pipeline cuts out of a recording."""
        return self.listen(pcm, rate, gate=gate)[1]

    def listen(
        self, pcm: Pcm, rate: int = RATE, *, gate: str = "either"
    ) -> tuple[list[ReportedEvent], list[Prediction]]:
        """Events and predictions of a recording."""
        known = [label for label in self.labels if not self.bundle.reported(label)]
        config = configuration.load(None, [f"gate.kind={gate}", *(f"labels.{label}.enabled=true" for label in known)])
        pipeline = build_pipeline(config, self.bundle, self._classifier.stream(), "file")
        kept = _Kept()
        pipeline.observers = (kept,)
        return _joined(list(pipeline.events(_frames(pcm, rate)))), kept.predictions


class _Kept(Observer):
    def __init__(self) -> None:
        self.predictions: list[Prediction] = []

    def on_prediction(self, prediction: Prediction) -> None:
        self.predictions.append(prediction)


def read_pcm(path: Path) -> tuple[Pcm, int]:
    """A file's samples, int16 (n,) mono, and its rate."""
    pcm, rate = soundfile.read(path, dtype="int16", always_2d=True)
    mono: Pcm = pcm.mean(axis=1).astype(np.int16) if pcm.shape[1] > 1 else np.ascontiguousarray(pcm[:, 0])
    return mono, rate


def _frames(pcm: Pcm, rate: int) -> Iterator[Frames]:
    columns = pcm.reshape(-1, 1)
    return frames_of([Block(start, rate, columns[start : start + rate]) for start in range(0, len(pcm), rate)], RATE)


def _joined(events: Sequence[Event]) -> list[ReportedEvent]:
    """Complete events: each as its last line has it, detected when its first was."""
    ended = [event for event in events if event.phase == "end"]
    return [
        ReportedEvent(
            event.label, event.start_s, event.start_s if event.end_s is None else event.end_s, event.detected_s
        )
        for event in sorted(ended, key=lambda event: event.detected_s)
    ]
