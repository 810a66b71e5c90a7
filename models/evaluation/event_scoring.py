"""Events that the real tracker makes of recorded scores, judged by score_events.py's own rule, label by label."""

import importlib.util
import itertools
import multiprocessing
import signal
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace as replace_rule
from numpy.typing import NDArray

from listener.pipeline.bundle import LabelRule
from listener.pipeline.clipper import ClipConfig
from listener.pipeline.features import FeatureSpec
from listener.pipeline.frame_grid import frame_grid
from listener.pipeline.tracker import EventConfig, Rules, Tracker
from listener.pipeline.values import Prediction
from models.data.mixing import FRAME_STEP
from models.data.recordings import DataError
from models.evaluation import scenes
from models.network.embedding import FAMILIAR

SMOOTHING = EventConfig().smoothing  # thresholds are fitted to what the daemon does when nothing is configured
HOP_S = ClipConfig().hop_s
ON = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.94, 0.98, 0.995)
OFF = (0.5,)  # of `on`
FRAME = (0.2, 0.4)
# What score_events.py takes when nothing is said.
FORGIVEN = "speech:children_playing,children_playing:speech,music:street_music,street_music:music"
JUDGED = Namespace(collar=0.5, late=3.0, longer=4.0, forgive=FORGIVEN)

Candidate = tuple[float, float, float]  # on, off / on, frame
Counts = NDArray[np.float64]  # (3,): true, hit, false
Tally = NDArray[np.float64]  # (4,): those, and how late the hits were in all, in s
LATE_WEIGHS = 0.1  # missed events' worth of a second that an event comes late


@dataclass(frozen=True, slots=True)
class HeardScene:
    """A scene, what a model said of it, and what there was to hear."""

    predictions: list[Prediction]
    truth: list[dict[str, Any]]


class Judge:
    """Runs the real tracker over what was heard, and has the scorer's own judgement of its events."""

    def __init__(
        self,
        spec: FeatureSpec,
        labels: tuple[str, ...],
        heard: Sequence[HeardScene],
        smoothing: float = SMOOTHING,
        familiar: float = FAMILIAR,
    ) -> None:
        self._labels, self._heard, self._smoothing, self._familiar = labels, heard, smoothing, familiar
        self._rate, self._grid = spec.sample_rate, frame_grid(spec, FRAME_STEP / spec.sample_rate)
        self._tool = _scorer()

    def table(self, label: str, rule: LabelRule) -> dict[Candidate, Tally]:
        """What each candidate makes of a label."""
        table = {}
        for on, share, frame in itertools.product(ON, OFF, FRAME):
            counts, late = self.judged(label, rule, on=on, off=on * share, frame=frame)
            table[on, share, frame] = np.append(counts, sum(late))
        return table

    def judged(self, label: str, rule: LabelRule, **changes: float) -> tuple[Counts, list[float]]:
        """True events of a label, hits and false alarms under a changed rule; and how late each hit was, in s."""
        counts, late = np.zeros(3), []
        for scene in self._heard:
            truth = [true | {"used": False, "soft": False} for true in scene.truth]
            counts[0] += sum(true["label"] == label for true in truth)
            for event in self._events(scene, label, replace_rule(rule, **changes)):
                found = self._tool.judge(event, truth, JUDGED)
                if found == "false":
                    counts[2] += 1
                elif found:
                    found["used"] = True
                    counts[1] += 1
                    late.append(event["detected_s"] - found["onset_s"])
        return counts, late

    def _events(self, scene: HeardScene, label: str, rule: LabelRule) -> list[dict[str, Any]]:
        column = self._labels.index(label)
        if not any(prediction.scores[column] > rule.on for prediction in scene.predictions):
            return []
        rules = Rules(
            self._labels, {label: rule}, {}, self._smoothing, 1.0, self._rate, HOP_S, self._grid, self._familiar
        )
        tracker = Tracker(rules, source="", model="", prefix="")
        said = [event for prediction in scene.predictions for event in tracker.update(prediction)]
        said += tracker.finish()
        ended = [event for event in said if event.phase == "end"]
        return [msgspec.structs.asdict(event) for event in sorted(ended, key=lambda event: event.detected_s)]


def tables(judge: Judge, rules: Mapping[str, LabelRule]) -> dict[str, dict[Candidate, Tally]]:
    """The table of every label, a process on each core: a tracker is Python throughout."""
    with multiprocessing.get_context("fork").Pool(initializer=_prepare, initargs=(judge,)) as processes:
        return dict(zip(rules, processes.starmap(_table, rules.items(), chunksize=1), strict=True))


_judge: list[Judge] = []  # of this process


def _prepare(judge: Judge) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of a terminal: the parent ends its workers
    _judge[:] = [judge]


def _table(label: str, rule: LabelRule) -> dict[Candidate, Tally]:
    return _judge[0].table(label, rule)


@cache
def _scorer() -> ModuleType:
    """score_events.py, which lies outside of this project."""
    path = scenes.TOOLS / "score_events.py"
    spec = importlib.util.spec_from_file_location("score_events", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise DataError(f"{path}: not here. Events are judged by the tools in ../shared.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cost(tally: Tally, false_weighs: float) -> float:
    """What a person who lives with it minds: missed, false and late events, in missed ones."""
    true, hit, false, late = tally
    return float(true - hit + false_weighs * false + LATE_WEIGHS * late)


def f1(counts: Counts) -> float:
    true, hit, false = counts
    return float(2 * hit / max(1e-9, true + hit + false))
