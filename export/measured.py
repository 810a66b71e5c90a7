"""What a report of models.evaluate measured, and whether that was the recipe that is exported."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from listener.errors import ListenerError
from models.training.recipe import Recipe, from_plain

Report = dict[str, Any]


def read(path: Path) -> Report:
    """A report.json with all that is asked of it here. ListenerError where the file is none."""
    try:
        report: Report = json.loads(path.read_text(encoding="utf-8"))
        metrics(report), recipes(report)
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ListenerError(f"{path}: no report of models.evaluate ({err!r}).") from err
    return report


def recipes(report: Report) -> list[Recipe]:
    """What each of a report's runs was trained by, whatever the defaults of today are."""
    return [from_plain(run["recipe"]) for run in report["folds"]]


def is_of(recipe: Recipe, report: Report) -> bool:
    """Whether a report's runs differ from a recipe in nothing but the fold left out and the seed."""
    return all(_without_chance(run) == _without_chance(recipe) for run in recipes(report))


def metrics(report: Report) -> dict[str, float]:
    """Shares of right answers and F1 of events. Among its own labels a data set of one label has no wrong answer."""
    found = {
        f"{name}_{kind}": part[f"accuracy_{kind}"]
        for name, part in report["together"].items()
        for kind in (("own_labels", "all_labels") if has_choice(part) else ("all_labels",))
    }
    scenes = {f"fold{run['fold']}_events_f1": run["scenes"]["f1"] for run in report["folds"] if run["scenes"]}
    return found | scenes


def has_choice(part: Report) -> bool:
    """Whether a data set has more labels than one, so that an answer among its own means something."""
    return bool(part["labels"] > 1)


def _without_chance(recipe: Recipe) -> Recipe:
    return replace(recipe, leave_out_fold=None, seed=0)
