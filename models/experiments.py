"""Compare variants of the recipe: python -m models.experiments --pool runs/cache/pool-… --fold 3 --out runs/experiments

Each variant changes one thing of the base. Every run leaves the fold out and is asked about its files.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from listener.pipeline.values import Floats
from models.data.bank import decode
from models.data.events import SAMPLES
from models.data.labels import label_of
from models.data.pool import DATA
from models.data.recordings import DataError, Recording, read_all
from models.evaluation.files import best, share
from models.network.network import multiply_adds
from models.train import main as train
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.command import command

log = logging.getLogger(__name__)

# Settings of each variant beside the base's.
VARIANTS: dict[str, tuple[str, ...]] = {
    "base": (),
    "from nothing": ("shape.pretrained=false", "steps=0", "whole_steps=1500", "whole_rate=0.002"),
    "early layers stay": ("whole_steps=0",),
    "no teacher": ("teacher_loss=0",),
    "no frame loss": ("frame_loss=0",),
    "no contrast": ("contrast_loss=0",),
    "nine layers": ("shape.layers=9",),
    "half as wide": ("shape.hidden=96",),
    "half of the streams": ("streams=6000",),
    "one fold less": ("fewer_folds=4",),
    "two folds less": ("fewer_folds=2,4",),
    "another seed": ("seed=2",),
}
RATE = 16_000
COLUMNS_OF_CHUNK = 2560  # samples
FIRST_CHUNK = 5  # clips that end earlier have heard too little
AT_ONCE = 16  # files


def run(options: argparse.Namespace) -> None:
    """Train every variant that is not there yet; write the table."""
    rows = []
    for name in options.variants or VARIANTS:
        out = options.out / name.replace(" ", "-")
        if not (out / "checkpoint.pt").is_file():
            settings = [word for setting in VARIANTS[name] for word in ("--set", setting)]
            words = ["--pool", str(options.pool), "--leave-out-fold", str(options.fold), "--out", str(out), *settings]
            if status := train([*words, "--threads", str(options.threads)]):
                raise DataError(f"{name}: training ended with status {status}", code="experiment-failed")
        trained = checkpoint.load(out / "checkpoint.pt")
        rows.append({"variant": name, "settings": VARIANTS[name], **figures(trained, options.data or [DATA])})
        log.info("%s", rows[-1])
    (options.out / "experiments.json").write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")


def figures(trained: Checkpoint, data: Sequence[Path]) -> dict[str, Any]:
    """Accuracy on the files of the fold left out, among all labels, by data set; the network's cost."""
    labels, fold = trained.recipe.labels, trained.recipe.leave_out_fold
    files = [r for r in read_all(data) if r.fold == fold and label_of(r.labels[0]) in labels]
    answered = best(np.stack(list(file_scores(trained, files))), labels)
    found: dict[str, Any] = {"million_multiply_adds_a_second": round(multiply_adds(trained.net(), 64) / 1e6, 1)}
    for dataset in sorted({r.dataset for r in files}):
        here = [n for n, r in enumerate(files) if r.dataset == dataset]
        found[dataset] = share([answered[n] for n in here], [label_of(files[n].labels[0]) for n in here])
    return found


def file_scores(trained: Checkpoint, files: Sequence[Recording]) -> Iterator[Floats]:
    """The mean of the scores of each file's clips, of at most a stream's length."""
    net, log_mel = trained.net(), trained.log_mel()
    for start in range(0, len(files), AT_ONCE):
        sounds = [decode(r.path, RATE)[:SAMPLES] for r in files[start : start + AT_ONCE]]
        mels = np.stack([log_mel.columns(np.pad(sound, (0, SAMPLES - len(sound)))) for sound in sounds])
        with torch.inference_mode():
            scores = torch.sigmoid(net(torch.from_numpy(mels)).scores).numpy()
        for sound, score in zip(sounds, scores, strict=True):
            last = min(score.shape[1] - 1, len(sound) // COLUMNS_OF_CHUNK + 1)
            yield score[:, min(FIRST_CHUNK, last) : last + 1].mean(axis=1)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    ap = argparse.ArgumentParser(prog="python -m models.experiments", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--pool", type=Path, required=True, help="folder of a finished pool")
    ap.add_argument("--fold", type=int, default=3, help="to leave out (default %(default)s)")
    ap.add_argument("--out", type=Path, default=Path("runs") / "experiments")
    ap.add_argument("--variants", nargs="+", choices=list(VARIANTS), help="(default: all)")
    ap.add_argument("--data", type=Path, action="append", help=f"folder of recordings, repeatable (default {DATA})")
    ap.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
