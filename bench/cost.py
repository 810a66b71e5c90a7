"""CPU time of the whole pipeline on a file, compared with YAMNet's plain loop, and on silence."""

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile

from bench import sounds
from bench.plan import Plan
from bench.rows import Row, SkippedError
from bench.timing import by_turns, spread
from listener import config as configuration
from listener.daemon.build import build_pipeline
from listener.pipeline import bundle as bundles
from listener.pipeline.classifier import Classifier
from listener.pipeline.clipper import Clipper
from listener.pipeline.framer import frames_of
from listener.pipeline.loop import Pipeline
from listener.pipeline.values import Floats
from listener.sources.recording import read_blocks

MOST_YAMNETS = 4.0
MOST_SILENT_MS = 3.0
YAMNET_WINDOW = 15_600  # samples at 16 kHz: 0.975 s

Listen = Callable[[Path], object]


def rows(plan: Plan) -> Iterator[Row]:
    """Yield the cost of sound and of silence. Reading the file counts, loading the models does not."""
    yield from _of_sound(plan)
    yield from _of_silence(plan)


def ours(plan: Plan, *settings: str) -> Callable[[Path], Clipper]:
    """Our whole pipeline over a file, on the CPU; it gives its clipper, which has counted what the gate did."""
    config = configuration.load(None, [*plan.settings, *settings])
    bundle = bundles.load(bundles.find(config.model.bundle))
    classify = Classifier(bundle, "cpu")

    def listen(path: Path) -> Clipper:
        loop = build_pipeline(config, bundle, classify.stream(), "bench")
        _exhaust(loop, path, bundle.features.sample_rate)
        return loop.clipper

    return listen


def yamnet(model: Path) -> Listen:
    """YAMNet's plain loop over a file, with half-overlapping windows. Raises SkippedError if YAMNet is missing."""
    interpreter = _interpreter(model)
    at, scores_at = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def listen(path: Path) -> list[Floats]:
        samples, _ = soundfile.read(path, dtype="float32")
        answers = []
        for start in range(0, len(samples) - YAMNET_WINDOW + 1, YAMNET_WINDOW // 2):
            interpreter.set_tensor(at, np.ascontiguousarray(samples[start : start + YAMNET_WINDOW]))
            interpreter.invoke()
            answers.append(interpreter.get_tensor(scores_at))
        return answers

    return listen


def _of_sound(plan: Plan) -> Iterator[Row]:
    path = sounds.write(plan.scratch / "bursts.wav", sounds.bursts(plan.sizes.audio_s))
    ours_open = ours(plan, "gate.kind=open")
    acts: dict[str, Callable[[], object]] = {"ours": lambda: ours_open(path)}
    absent = ""
    try:
        theirs = yamnet(plan.shared / "peers" / "yamnet" / "yamnet.tflite")
        acts["theirs"] = lambda: theirs(path)
    except SkippedError as err:
        absent = str(err)
    costs = by_turns(acts, plan.sizes.rounds)
    ms = {name: [1000 * cost / plan.sizes.audio_s for cost in taken] for name, taken in costs.items()}
    yield _milliseconds("CPU per second of sound, gate open", ms["ours"])
    what = "the same, times YAMNet's loop"
    if absent:
        yield Row(what, None, note=absent, status="skipped")
        return
    yield _milliseconds("YAMNet's loop, per second of sound", ms["theirs"])
    by_round = [one / other for one, other in zip(ms["ours"], ms["theirs"], strict=True)]
    ratio = median(ms["ours"]) / median(ms["theirs"])
    yield Row(what, ratio, "x", MOST_YAMNETS, note=f"ratio of medians; round by round {spread(by_round)}")


def _of_silence(plan: Plan) -> Iterator[Row]:
    seconds = plan.sizes.silence_s
    path = sounds.write(plan.scratch / "silence.wav", sounds.room_noise(seconds))
    listen = ours(plan)
    clipper = listen(path)
    costs = by_turns({"ours": lambda: listen(path)}, plan.sizes.rounds)["ours"]
    duty = clipper.open_frames / max(clipper.frames, 1)
    note = f"room noise of {sounds.ROOM_DBFS:.0f} dBFS, gate open {duty:.1%} of {seconds:.0f} s"
    yield Row("CPU per second of silence", 1000 * median(costs) / seconds, "ms", MOST_SILENT_MS, note=note)


def _milliseconds(what: str, values: list[float]) -> Row:
    return Row(what, median(values), "ms", note=f"median of {len(values)}: {spread(values)}")


def _exhaust(loop: Pipeline, path: Path, rate: int) -> None:
    for _ in loop.events(frames_of(read_blocks(path), rate)):
        pass


def _interpreter(model: Path) -> Any:
    if not model.exists():
        raise SkippedError(f"YAMNet is not at {model}; --shared says where it is")
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as err:
        raise SkippedError("YAMNet needs ai-edge-litert: pip install --group bench") from err
    interpreter = Interpreter(model_path=str(model), num_threads=1)
    interpreter.allocate_tensors()
    return interpreter
