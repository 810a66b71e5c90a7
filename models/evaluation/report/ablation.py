"""What ablation runs say, put side by side: each against the base, of the same fold and seed."""

import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np

FIGURES = {
    "clips_map": "mixtures: clips, mAP",
    "frames_map": "mixtures: frames, mAP",
    "esc10_own": "ESC-10 files, own labels",
    "urbansound8k_own": "UrbanSound8K files, own labels",
    "urbansound8k_all": "UrbanSound8K files, all labels",
    "synthesised_all": "synthesised, all labels",
}
WIDTHS = {"shape.widths"}

Run = dict[str, Any]


def variants(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A row for each variant, the base first.

    Of each figure `mean` and `spread` (standard deviation over its runs), and `change`: of every run that has a
    twin of the base (same fold, seed and steps) the difference from it, in points of per cent.
    """
    plain = {_key(run): run for run in runs if not run["settings"]}
    names = dict.fromkeys([run["name"] for run in plain.values()] + [run["name"] for run in runs])
    return [_row(name, [run for run in runs if run["name"] == name], plain) for name in names]


def noise(runs: Sequence[Run], figure: str) -> float | None:
    """Standard deviation of the base's own runs that differ in nothing but the seed, in points; None if none do."""
    folds: dict[Any, list[float]] = {}
    for run in runs:
        if not run["settings"] and figure in run:
            folds.setdefault((run["fold"], run["steps"]), []).append(100 * run[figure])
    spreads = [np.var(values, ddof=1) for values in folds.values() if len(values) > 1]
    return float(np.sqrt(np.mean(spreads))) if spreads else None


def commands(rows: Sequence[dict[str, Any]], out: str) -> list[str]:
    """What makes the runs of some rows, and no others: they need not have the same seeds and folds."""
    folds: dict[Any, list[int]] = {}
    for row in rows:
        for fold, seed, steps in row["runs"]:
            folds.setdefault((steps, seed, row["name"]), []).append(fold)
    names: dict[Any, list[str]] = {}
    for (steps, seed, name), left_out in folds.items():
        names.setdefault((steps, seed, tuple(left_out)), []).append(name)
    seeds: dict[Any, list[int]] = {}
    for (steps, seed, left_out), only in names.items():
        seeds.setdefault((steps, left_out, tuple(only)), []).append(seed)
    return [
        shlex.join(
            ["python", "-m", "models.experiments.ablate", "--out", out, "--steps", str(steps),
             "--folds", *map(str, left_out), "--seeds", *map(str, every), "--only", *only]
        )
        for (steps, left_out, only), every in seeds.items()
    ]  # fmt: skip


def _row(name: str, runs: Sequence[Run], plain: dict[Any, Run]) -> dict[str, Any]:
    figures = [figure for figure in FIGURES if all(figure in run for run in runs)]
    twins = [(run, plain[_key(run)]) for run in runs if _key(run) in plain]
    return {
        "name": name,
        "settings": runs[0]["settings"],
        "folds": sorted({run["fold"] for run in runs}),
        "seeds": sorted({run["seed"] for run in runs}),
        "steps": sorted({run["steps"] for run in runs}),
        "runs": sorted(_key(run) for run in runs),
        "multiply_adds": runs[0]["multiply_adds"],
        "only_width": set(runs[0]["settings"]) <= WIDTHS,
        "mean": {figure: _round(np.mean([run[figure] for run in runs])) for figure in figures},
        "spread": {figure: _round(np.std([run[figure] for run in runs], ddof=len(runs) > 1)) for figure in figures},
        "change": {
            figure: [_round(100 * (run[figure] - twin[figure])) for run, twin in twins if figure in twin]
            for figure in figures
        },
    }


def _key(run: Run) -> tuple[Any, ...]:
    return run["fold"], run["seed"], run["steps"]


def _round(number: Any) -> float:
    return round(float(number), 4)
