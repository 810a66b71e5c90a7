"""How soon and how rightly sounds are named in long recordings of a room, and how fast those are read."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import sounds
from bench.offline import Answer, classified, run
from bench.plan import Plan
from bench.rows import Row, SkippedError
from listener.pipeline import bundle as bundles

MOST_P50_S, MOST_P95_S = 1.0, 2.5
LEAST_SPEED = 100.0  # times real time
FOLD = "3"


def rows(plan: Plan) -> Iterator[Row]:
    """Latency, speed, and how right it is, over the standard scenes."""
    metadata = sounds.metadata_file(plan.shared)
    scenes = [made(plan, metadata, seed, plan.sizes.minutes) for seed in plan.sizes.seeds]
    answers = [classified(plan, [scene.with_suffix(".wav")]) for scene in scenes]
    for scene, answer in zip(scenes, answers, strict=True):
        lines = [json.dumps(event) + "\n" for event in answer.events]
        scene.with_suffix(".jsonl").write_text("".join(lines))
    yield from _of_events(_scored(plan, scenes), seen(plan))
    yield _of_speed(answers, 60 * plan.sizes.minutes)


def seen(plan: Plan) -> str:
    """Whether the model was trained on what the scenes are made of, by what its bundle says."""
    manifest = bundles.load(bundles.find(plan.bundle)).manifest
    folds = manifest.provenance.get("folds", "")
    if folds == f"all but {FOLD}":
        return f"held out: {manifest.name} was trained without fold {FOLD}"
    if not folds:
        return f"{manifest.name} does not say what it was trained on"
    return f"not held out: {manifest.name} was trained on fold {FOLD}"


def made(plan: Plan, metadata: Path, seed: int, minutes: float) -> Path:
    """A scene, without its suffix: the recording is .wav, its truth .json."""
    out = plan.scratch / f"scene{seed}"
    argv = [sys.executable, str(tool(plan, "make_scene.py")), "--metadata", str(metadata), "--folds", FOLD]
    run([*argv, "--minutes", str(minutes), "--seed", str(seed), "--out", str(out)])
    return out


def _scored(plan: Plan, scenes: list[Path]) -> dict[str, Any]:
    pairs = [part for scene in scenes for part in ("--truth", f"{scene}.json", "--events", f"{scene}.jsonl")]
    score: dict[str, Any] = json.loads(run([sys.executable, str(tool(plan, "score_events.py")), *pairs]))
    return score


def tool(plan: Plan, name: str) -> Path:
    """A scene tool; SkippedError where it is not at hand."""
    path = plan.shared / "tools" / name
    if not path.exists():
        raise SkippedError(f"no {name} in {path.parent}; --shared says where it is")
    return path


def _of_events(score: dict[str, Any], note: str) -> Iterator[Row]:
    latency = score["latency_s"]
    counted = f"{score['hit']} of {score['true']} sounds in {60 * score['hours']:.0f} min"
    yield Row("scenes: onset to event, p50", latency["p50"], "s", MOST_P50_S, note=counted)
    yield Row("scenes: onset to event, p95", latency["p95"], "s", MOST_P95_S, note=note)
    for name in ("f1", "precision", "recall"):
        yield Row(f"scenes: {name}", score[name], note=note)
    yield Row("scenes: false alarms an hour", score["false_alarms_per_hour"], note=note)


def _of_speed(answers: list[Answer], seconds_each: float) -> Row:
    audio_s = seconds_each * len(answers)
    wall_s, cpu_s = sum(answer.wall_s for answer in answers), sum(answer.cpu_s for answer in answers)
    note = f"{audio_s:.0f} s in {wall_s:.1f} s, process start included; {audio_s / cpu_s:.0f} x by CPU time"
    return Row("classify, times real time", audio_s / wall_s, "x", LEAST_SPEED, at_least=True, note=note)
