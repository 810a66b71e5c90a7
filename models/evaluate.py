"""How a checkpoint does on a fold that was left out: python -m models.evaluate --checkpoint runs/fold3/checkpoint.pt

Files are scored as `listener classify --scores` scores them; the answer is the highest label, among all the
model knows and among the data set's own. Synthesised sounds come from other seeds and rooms than training's.
"""

import argparse
import itertools
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from listener.types import Floats
from models import checkpoint
from models.bank import SYNTHESISED, decode
from models.checkpoint import Checkpoint
from models.command import command
from models.data import DataError, Recording, read_any
from models.rooms import in_room, room_noise, room_response
from models.scoring import Classify, file_scores
from models.synthesis import STANDARD, synthesise
from models.train import DATA

log = logging.getLogger(__name__)

UNSEEN_SEED = 900_000  # synthesised sounds of training have seeds of 100,000 and on
SYNTHESISED_EACH = 60
AUDIBLE_S = 0.25


@dataclass(frozen=True, slots=True)
class Scored:
    """One file: its label, its data set, and what the model said."""

    label: str
    dataset: str
    scores: Floats  # (labels,)


def evaluate(trained: Checkpoint, folders: Sequence[Path], fold: int, each: int) -> dict[str, Any]:
    """The report on a fold, and on so many synthesised sounds of each standard label."""
    classify = torch_classifier(trained)
    recordings = [r for folder in folders for r in read_any(folder) if r.fold == fold]
    scored = [*_recorded(recordings, trained, classify), *_synthesised(each, trained, classify)]
    datasets = sorted({item.dataset for item in scored})
    by_dataset = {name: [item for item in scored if item.dataset == name] for name in datasets}
    return {
        "fold": fold,
        "left_out": trained.recipe.leave_out_fold,
        "steps": trained.step,
        "datasets": {name: _summary(items, trained.recipe.labels) for name, items in by_dataset.items()},
    }


def torch_classifier(trained: Checkpoint) -> Classify:
    """Probabilities by the checkpoint's own network."""
    net = trained.net()

    @torch.inference_mode()
    def classify(mels: Floats) -> Floats:
        scores: Floats = torch.sigmoid(net(torch.from_numpy(mels))).numpy()
        return scores

    return classify


def unseen_sound(label: str, number: int, rate: int = 16_000) -> Floats:
    """A synthesised sound that training has not had, in a room and noise that it has not had: 3 to 6 s."""
    rng = np.random.default_rng([UNSEEN_SEED, number, *label.encode()])
    dry = _audible(label, number, float(rng.uniform(3, 6)), rate)
    wet = in_room(dry, room_response(rng, rate))
    level = float(np.sqrt(np.square(wet).mean())) * 10 ** (-rng.uniform(6, 40) / 20)
    heard = wet + np.float32(level) * room_noise(rng, len(wet), rate)
    peak = 10 ** (rng.uniform(-35, -3) / 20)
    return heard * np.float32(peak / np.abs(heard).max())


def _audible(label: str, number: int, duration_s: float, rate: int) -> Floats:
    """A dry sound of which at least AUDIBLE_S is heard: alarms may start in their pause, and T4's is 5 s long."""
    for attempt in itertools.count():
        dry = synthesise(label, UNSEEN_SEED + number + 1000 * attempt, duration_s, rate)
        if (np.abs(dry) > 0.05).sum() > AUDIBLE_S * rate:
            return dry
    raise AssertionError


def _recorded(recordings: Sequence[Recording], trained: Checkpoint, classify: Classify) -> Iterator[Scored]:
    log_mel = trained.log_mel()
    for recording in tqdm(recordings, "scoring", mininterval=5):
        try:
            samples = decode(recording.path, log_mel.spec.sample_rate)
        except DataError as err:
            log.warning("%s", err)
            continue
        yield Scored(recording.labels[0], recording.dataset, file_scores(samples, log_mel, classify))


def _synthesised(each: int, trained: Checkpoint, classify: Classify) -> Iterator[Scored]:
    log_mel = trained.log_mel()
    for label in (label for label in STANDARD if label in trained.recipe.labels):
        for number in range(each):
            samples = unseen_sound(label, number, log_mel.spec.sample_rate)
            yield Scored(label, SYNTHESISED, file_scores(samples, log_mel, classify))


def _summary(scored: Sequence[Scored], labels: Sequence[str]) -> dict[str, Any]:
    """Accuracy among all labels and among the set's own, recall by label, and what was taken for what."""
    own = sorted({item.label for item in scored if item.label in labels})
    known = [item for item in scored if item.label in labels]
    among_all = [labels[int(item.scores.argmax())] for item in known]
    among_own = [max(own, key=lambda label: item.scores[labels.index(label)]) for item in known]
    right = [item.label == answer for item, answer in zip(known, among_own, strict=True)]
    mistakes = Counter((i.label, answer) for i, answer in zip(known, among_all, strict=True) if i.label != answer)
    return {
        "files": len(known),
        "accuracy_all_labels": _share([item.label == answer for item, answer in zip(known, among_all, strict=True)]),
        "accuracy_own_labels": _share(right),
        "recall": {
            label: _share([ok for ok, item in zip(right, known, strict=True) if item.label == label]) for label in own
        },
        "confused": [[label, answer, count] for (label, answer), count in mistakes.most_common(25)],
    }


def _share(flags: Sequence[bool]) -> float:
    return round(sum(flags) / max(1, len(flags)), 4)


def _report(options: argparse.Namespace) -> None:
    trained = checkpoint.load(options.checkpoint)
    fold = options.fold or trained.recipe.leave_out_fold
    if fold is None:
        raise DataError("the checkpoint was trained on every fold: name one with --fold, and do not call it a test.")
    report = evaluate(trained, options.data or [DATA], fold, options.each)
    text = json.dumps(report, indent=1)
    if options.json:
        options.json.write_text(text + "\n")
    else:
        print(text)
    for name, summary in report["datasets"].items():
        own, every = summary["accuracy_own_labels"], summary["accuracy_all_labels"]
        log.info("%-14s %4d files  own labels %.3f  all labels %.3f", name, summary["files"], own, every)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(prog="python -m models.evaluate", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--checkpoint", type=Path, required=True)
    ap.add_argument(
        "--data", type=Path, action="append", help=f"folder of recordings, may be repeated (default {DATA})"
    )
    ap.add_argument("--fold", type=int, help="fold to score (default: the one that training left out)")
    ap.add_argument("--each", type=int, default=SYNTHESISED_EACH, help="synthesised sounds of each label")
    ap.add_argument("--json", type=Path, help="write the report here, else to standard output")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    return command(lambda: _report(options))


if __name__ == "__main__":
    sys.exit(main())
