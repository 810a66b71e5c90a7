"""Write a bundle's MODEL_CARD.md: python -m export.card --bundle folder --report report.json --commands commands.sh

Its text is card.md beside this file; figures, labels and attributions are filled in from where they are known.
"""

import argparse
import csv
import json
import logging
import string
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from listener import bundle
from listener.bundle import Bundle
from listener.errors import ListenerError
from models.command import command
from models.network import make_net, multiply_adds
from models.recipe import Recipe, from_plain
from models.train import DATA

log = logging.getLogger(__name__)

CARD = "MODEL_CARD.md"
TEMPLATE = Path(__file__).with_suffix(".md")

Row = dict[str, str]


def card(
    loaded: Bundle, report: dict[str, Any], listing: Sequence[Row], *, commands: str, history: str, scenes: Any = None
) -> str:
    """The card of a bundle, given an evaluation of its recipe and the listing of what it was trained on."""
    recipe = from_plain(_recipe(loaded))
    net = make_net(recipe)
    datasets = report["datasets"]
    words = {
        "name": loaded.name,
        "parameters": f"{sum(weight.numel() for weight in net.parameters()):,}",
        "multiply_adds": round(multiply_adds(net, recipe.spec.mels, recipe.spec.columns) / 1e6, 1),
        "megabytes": round(len(loaded.model) / 1e6, 2),
        "count": len(loaded.labels),
        "labels": ", ".join(f"`{label}`" for label in loaded.labels),
        "data": _data(listing),
        "fold": report["fold"],
        "fitted": _fitted(recipe, report),
        "history": history.strip(),
        "urbansound": datasets.get("urbansound8k", {}).get("files", 0),
        "scores": _scores(datasets),
        "recalls": _recalls(datasets),
        "confused": _confused(datasets),
        "scenes": _scenes(scenes) if scenes else "",
        "commands": f"```sh\n{commands.strip()}\n```",
        "commit": loaded.manifest.provenance["commit"],
        "date": loaded.manifest.provenance["date"],
        "authors": _authors(listing),
        "others": _others(listing),
    }
    return string.Template(TEMPLATE.read_text(encoding="utf-8")).substitute(words)


def _recipe(loaded: Bundle) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(loaded.manifest.provenance["recipe"])
    return {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}


def _fitted(recipe: Recipe, report: dict[str, Any]) -> str:
    """Whose figures the report's are: these weights', or those of their twin without the fold."""
    fold, steps = report["fold"], report["steps"]
    if recipe.leave_out_fold == fold:
        return (
            f"These figures are of **these very weights**, trained without fold {fold} of any data set ({steps} steps)."
        )
    return (
        f"These figures are of **the same recipe trained without fold {fold}** (every data set's), {steps} steps, on "
        f"that fold. The shipped weights were then fitted on everything here, with {recipe.steps} steps; they have "
        "seen these files, so no figure of theirs on this data would mean anything."
    )


def _data(listing: Sequence[Row]) -> str:
    counts = Counter(row["dataset"] for row in listing)
    rows = [
        (name, count, _one_of(row["licence"] for row in listing if row["dataset"] == name))
        for name, count in counts.items()
    ]
    return _table(("data set", "recordings", "licence"), rows)


def _scores(datasets: dict[str, Any]) -> str:
    rows = [
        (name, s["files"], f"{s['accuracy_own_labels']:.1%}", f"{s['accuracy_all_labels']:.1%}")
        for name, s in datasets.items()
    ]
    return _table(("data set", "files", "among its own labels", "among all labels"), rows)


def _recalls(datasets: dict[str, Any]) -> str:
    lines = []
    for name, summary in datasets.items():
        lines.append(f"- {name}: " + ", ".join(f"{label} {share:.0%}" for label, share in summary["recall"].items()))
    return "\n".join(lines)


def _confused(datasets: dict[str, Any]) -> str:
    lines = []
    for name, summary in datasets.items():
        if summary["confused"]:
            pairs = "; ".join(f"{true}, {answer}, {count}" for true, answer, count in summary["confused"][:10])
            lines.append(f"- {name}: {pairs}")
    return "\n".join(lines)


def _scenes(said: dict[str, Any]) -> str:
    return (
        f"\nEvents in mixed scenes (the same recipe without the fold, whole pipeline, {said['hours']:.1f} h of "
        f"`make_scene.py`, default thresholds): F1 {said['f1']:.2f}, recall {said['recall']:.2f}, precision "
        f"{said['precision']:.2f}, {said['false_alarms_per_hour']:.0f} false alarms an hour, onset to event "
        f"{said['latency_s']['p50']:.2f} s (median), {said['latency_s']['p95']:.2f} s (95th percentile).\n"
    )


def _authors(listing: Sequence[Row]) -> str:
    """Who is to be named: the authors of ESC-10 clips under CC BY, with their Freesound numbers."""
    sounds: dict[str, set[str]] = {}
    for row in listing:
        if row["dataset"] == "esc10" and row["licence"] == "CC-BY":
            sounds.setdefault(row["author"], set()).add(row["source_id"])
    named = sorted(sounds.items(), key=lambda item: item[0].lower())
    return "; ".join(f"{author} ({', '.join(sorted(numbers))})" for author, numbers in named)


def _others(listing: Sequence[Row]) -> str:
    """A line for every other source that asks to be named."""
    named = dict.fromkeys((r["dataset"], r["author"], r["licence"]) for r in listing if r["dataset"] != "esc10")
    first_url = {(r["dataset"], r["author"]): r["url"] for r in reversed(listing)}
    return "\n".join(
        f"- {dataset}: {author}, {licence}" + ("" if dataset == "urbansound8k" else f", <{first_url[dataset, author]}>")
        for dataset, author, licence in named
    )


def _table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _one_of(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def main(argv: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    ap = argparse.ArgumentParser(prog="python -m export.card", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--bundle", type=Path, required=True)
    ap.add_argument("--report", type=Path, required=True, help="JSON of models.evaluate")
    ap.add_argument("--scenes", type=Path, help="JSON of models.scenes, of the same model as --report")
    ap.add_argument("--listing", type=Path, default=DATA / "metadata.csv", help="what it was trained on")
    ap.add_argument("--commands", type=Path, required=True, help="text file of the commands that made it")
    ap.add_argument("--history", type=Path, help="text file: what was tried before, and what the test fold decided")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: _write(options))


def _write(options: argparse.Namespace) -> None:
    try:
        report = json.loads(options.report.read_text())
        scenes = json.loads(options.scenes.read_text()) if options.scenes else None
        with options.listing.open(newline="", encoding="utf-8") as lines:
            listing = list(csv.DictReader(lines))
        commands = options.commands.read_text()
        history = options.history.read_text() if options.history else ""
    except (OSError, ValueError) as err:
        raise ListenerError(f"a card cannot be written: {err}") from err
    text = card(bundle.load(options.bundle), report, listing, commands=commands, history=history, scenes=scenes)
    (options.bundle / CARD).write_text(text, encoding="utf-8")
    log.info("wrote %s", options.bundle / CARD)


if __name__ == "__main__":
    sys.exit(main())
