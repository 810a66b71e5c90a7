"""How well sounds never trained on are told from known ones.

The checkpoint was trained without a fold and without some labels. Files of that fold are ranked by how known they
seem, each measure being the mean over a file's clips; a good one ranks every known file above every other.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from export.bundle import export
from listener.pipeline.values import Floats
from models.calibrate import calibrated, listen
from models.data.pool import Pool, open_pool
from models.data.recordings import DataError, read_all
from models.evaluation import calibration as calibrations
from models.evaluation.calibration import Calibration
from models.evaluation.event_scoring import Judge, f1
from models.evaluation.scenes import side_by_side
from models.evaluation.tables import check_place, write_table
from models.evaluation.test_split import Files, in_portions, read_files
from models.network.embedding import single_sounds
from models.training import checkpoint
from models.training.checkpoint import Checkpoint
from models.training.command import command

log = logging.getLogger(__name__)

BANK = 4000  # clips of training that others are compared with
NEAREST = (1, 5, 10)
KEPT = 0.95  # share of known files that a threshold lets pass
DEMANDED = (-1.0, 0.3, 0.4, 0.45, 0.5, 0.55)  # familiarity
NEARER = (1.2, 1.5, 2.0)


@dataclass(frozen=True, slots=True)
class Described:
    """What the network makes of clips: logits (clips, labels) and embeddings of unit length (clips, size)."""

    logits: Floats
    embeddings: Floats


def measure(trained: Checkpoint, files: Files, bank: Described) -> list[dict[str, Any]]:
    """A row for each measure: AUROC and FPR95 of known files against unknown ones, and AUROC by label and data set."""
    known = np.isin(files.labels, trained.recipe.labels)
    of_clips = knownness(describe(trained, files.mels), bank)
    return [{"measure": name} | _told_apart(files, known, files.mean(said)) for name, said in of_clips.items()]


def events(trained: Checkpoint, scenes_of: Sequence[Path], rules: Calibration) -> list[dict[str, Any]]:
    """What becomes of events in scenes in which labels sound that the model does not know, as more is asked of them.

    A row for each demand: on familiarity, the thresholds as they are; or on thresholds alone, by how much less they
    leave to 1. `false` counts what is reported over sounds without a label too.
    """
    calibration = rules.of(trained.recipe.labels)
    with tempfile.TemporaryDirectory() as folder:
        export(trained, Path(folder))
        heard = side_by_side(lambda scene: calibrated(listen(Path(folder), scene), calibration), scenes_of)
    rows = []
    for familiar in DEMANDED:
        judge = Judge(trained.recipe.spec, calibration.labels, heard, familiar=familiar)
        rows.append({"demand": f"familiarity {familiar:g}" if familiar > -1 else "none"} | _judged(judge, calibration))
    judge = Judge(trained.recipe.spec, calibration.labels, heard, familiar=-1)
    rows += [{"demand": f"thresholds {n:g} times nearer to 1"} | _judged(judge, calibration, n) for n in NEARER]
    return rows


def _judged(judge: Judge, calibration: Calibration, nearer: float = 1.0) -> dict[str, float]:
    total = np.zeros(3)
    for label, rule in calibration.rules.items():
        on = 1 - (1 - rule.on) / nearer
        total += judge.judged(label, rule, on=on, off=min(rule.off, 0.99 * on))[0]
    true, hit, false = total.tolist()
    return {"true": true, "hit": hit, "false": false, "f1": round(f1(total), 4)}


def describe(trained: Checkpoint, mels: NDArray[np.floating]) -> Described:
    """What a checkpoint's network makes of mels (clips, mels, columns)."""
    net, labels = trained.net(), len(trained.recipe.labels)

    @torch.inference_mode()
    def both(portion: Floats) -> Floats:
        said = net(torch.from_numpy(portion))
        return torch.cat([said.scores, said.embedding], dim=1).numpy()

    said = in_portions(both, mels)
    return Described(said[:, :labels], said[:, labels:])


def training_clips(trained: Checkpoint, pool: Pool, count: int = BANK) -> Described:
    """What the network makes of clips of one sound that it may have been trained on."""
    return describe(trained, pool.mel[single_sounds(trained, pool, count)])


def knownness(said: Described, bank: Described) -> dict[str, Floats]:
    """Measures (clips,) that are high where a sound is known.

    Energies: log of the sum of exp(logit) (Liu et al. 2020), and the sum over labels of softplus(logit), for labels
    that do not exclude each other (Wang et al. 2021). Neighbours: the mean cosine similarity to the nearest clips of
    training (Sun et al. 2022); guided: the same weighed with both clips' energies (NNGuide, Park et al. 2023).
    """
    energy, bank_energy = joint_energy(said.logits), joint_energy(bank.logits)
    like = said.embeddings @ bank.embeddings.T  # (clips, clips of training)
    highest = said.logits.max(axis=1)
    near = {k: nearest(like, k) for k in NEAREST}
    return {
        "highest score": 1 / (1 + np.exp(-highest)),
        "highest logit": highest,
        "energy": np.logaddexp.reduce(said.logits, axis=1),
        "joint energy": energy,
        **{f"{k} nearest": likeness for k, likeness in near.items()},
        "joint energy x 10 nearest": energy * near[10],
        "joint energy guided by 10 nearest": energy * nearest(like * bank_energy, 10),
    }


def joint_energy(logits: Floats) -> Floats:
    """The sum over labels of softplus: (clips, labels) to (clips,)."""
    energy: Floats = np.logaddexp(0, logits).sum(axis=1)
    return energy


def nearest(like: Floats, count: int) -> Floats:
    """The mean of the highest so many of each row."""
    mean: Floats = np.partition(like, -count, axis=1)[:, -count:].mean(axis=1)
    return mean


def false_positives(known: Floats, unknown: Floats, kept: float = KEPT) -> float:
    """The share of the unknown that passes a threshold which lets a share of the known pass (FPR95)."""
    return float((unknown >= np.quantile(known, 1 - kept, method="lower")).mean())


def read_trained(path: Path) -> Checkpoint:
    """A checkpoint that has labels left out. DataError for another."""
    trained = checkpoint.load(path)
    if not trained.recipe.leave_out_labels:
        raise DataError(f"{path}: trained on every label. Train one with --set leave_out_labels=dog_bark,rain,…")
    return trained


def _told_apart(files: Files, known: NDArray[np.bool_], said: Floats) -> dict[str, Any]:
    """The figures of one measure (files,)."""
    labels, datasets = np.array(files.labels), np.array(files.datasets)
    return {
        "auroc": _auroc(known, said),
        "fpr95": round(false_positives(said[known], said[~known]), 4),
        "labels": {str(of): _auroc(*_some(known, said, known | (labels == of))) for of in np.unique(labels[~known])},
        "datasets": {
            str(of): _auroc(*_some(known, said, datasets == of))
            for of in np.unique(datasets[~known])
            if known[datasets == of].any()
        },
    }


def _some(known: NDArray[np.bool_], said: Floats, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Floats]:
    return known[chosen], said[chosen]


def _auroc(known: NDArray[np.bool_], said: Floats) -> float:
    return round(float(roc_auc_score(known, said)), 4)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(
        prog="python -m models.experiments.unknown", description=(__doc__ or "").partition("\n")[0]
    )
    ap.add_argument("--checkpoint", type=Path, default=Path("runs") / "unknown" / "checkpoint.pt")
    ap.add_argument("--out", type=Path, required=True, help="JSON file of the table")
    ap.add_argument("--scenes", type=Path, nargs="*", default=[], help="scenes, without ending, to report events in")
    ap.add_argument("--rules", type=Path, help="the calibration.json of the events, fitted on other folds")
    ap.add_argument("--events-out", type=Path, help="JSON file of the table of events")
    options = ap.parse_args(argv)
    if options.scenes and not (options.rules and options.events_out):
        ap.error("--scenes needs --rules and --events-out")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    return command(lambda: _report(options))


def _report(options: argparse.Namespace) -> None:
    check_place(options.out)
    trained = read_trained(options.checkpoint)
    recipe, fold = trained.recipe, trained.recipe.leave_out_fold
    if fold is None:
        raise DataError(f"{options.checkpoint}: trained on every fold. Train one with --leave-out-fold.")
    recordings = [r for r in read_all(trained.data) if r.fold == fold and r.labels[0] in recipe.mixing.labels]
    files = read_files(recordings, recipe.spec, trained.filters)
    bank = training_clips(trained, open_pool(recipe.mixing, trained.data))
    rows = measure(trained, files, bank)
    for row in rows:
        log.info("%-36s AUROC %.3f  FPR95 %.3f", row["measure"], row["auroc"], row["fpr95"])
    write_table(options.out, rows, _note(trained, files, bank))
    if options.scenes:
        write_table(
            options.events_out,
            events(trained, options.scenes, calibrations.read(options.rules)),
            f"{len(options.scenes)} scenes, in which {', '.join(recipe.leave_out_labels)} sound too, which training "
            "left out. What is reported over them is a false alarm; true events are those of the other labels. Scales "
            "and thresholds were fitted on networks that know every label, on other folds.",
        )


def _note(trained: Checkpoint, files: Files, bank: Described) -> str:
    recipe = trained.recipe
    unknown = {label: files.labels.count(label) for label in recipe.leave_out_labels}
    return (
        f"Fold {recipe.leave_out_fold}, which training ({trained.step} steps) left out: "
        f"{len(files.labels) - sum(unknown.values())} files of known labels against "
        f"{', '.join(f'{count} of {label}' for label, count in unknown.items())}, labels that training left out. "
        f"Neighbours are among {len(bank.logits)} clips of one sound from the training pool. "
        "Under datasets, both the known and the unknown are of that set."
    )


if __name__ == "__main__":
    sys.exit(main())
