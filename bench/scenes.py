"""Latency and accuracy in long recordings of a room, and the speed of `classify`."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import sounds
from bench.offline import Answer, classified
from bench.plan import Plan
from bench.rows import Row
from listener.pipeline import bundle as bundles
from models.evaluation.event_matching import EventScore, match, read_events, read_truth
from models.evaluation.scene_maker import SceneSettings, listed, write

MOST_P50_S, MOST_P95_S = 1.0, 2.5
LEAST_SPEED = 100.0  # times real time
FOLD = "3"


def rows(plan: Plan) -> Iterator[Row]:
    """Yield latency, accuracy and speed over the standard scenes."""
    metadata = sounds.metadata_file(plan.shared)
    scenes = [made(plan, metadata, seed, plan.sizes.minutes) for seed in plan.sizes.seeds]
    answers = [classified(plan, [scene.with_suffix(".wav")]) for scene in scenes]
    for scene, answer in zip(scenes, answers, strict=True):
        lines = [json.dumps(event) + "\n" for event in answer.events]
        scene.with_suffix(".jsonl").write_text("".join(lines))
    yield from _of_events(scored(scenes, [scene.with_suffix(".jsonl") for scene in scenes]), seen(plan))
    yield _of_speed(answers, 60 * plan.sizes.minutes)


def seen(plan: Plan) -> str:
    """Say whether the model was trained on the scenes' recordings, according to its bundle."""
    manifest = bundles.load(bundles.find(plan.bundle)).manifest
    folds = manifest.provenance.get("folds", "")
    if folds == f"all but {FOLD}":
        return f"held out: {manifest.name} was trained without fold {FOLD}"
    if not folds:
        return f"{manifest.name} does not say what it was trained on"
    return f"not held out: {manifest.name} was trained on fold {FOLD}"


def made(plan: Plan, metadata: Path, seed: int, minutes: float) -> Path:
    """Make a scene. Returns its path without suffix: the recording is .wav, the truth .json."""
    out = plan.scratch / f"scene{seed}"
    clips = list(listed([metadata], folds=[FOLD]))
    write(out, clips, SceneSettings(minutes=minutes, seed=seed))
    return out


def scored(scenes: Sequence[Path], events: Sequence[Path], offset_s: float = 0.0) -> dict[str, Any]:
    """Return the scorer's report on files of events, one for each scene, that began `offset_s` before the scene."""
    score = EventScore()
    for scene, path in zip(scenes, events, strict=True):
        truth = json.loads(scene.with_suffix(".json").read_text())
        with path.open() as lines:
            score.add(match(read_events(lines), read_truth(truth, offset_s)), truth["duration_s"])
    return score.report()


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
