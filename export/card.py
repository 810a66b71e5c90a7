"""Write a bundle's MODEL_CARD.md: python -m export.card --bundle folder --report report.json --commands commands.sh

Its text is card.md beside this file; figures, labels and attributions are filled in from where they are known.
"""

import argparse
import csv
import json
import logging
import re
import string
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from export import measured
from export.measured import Report
from listener.errors import ListenerError
from listener.pipeline import bundle
from listener.pipeline.bundle import Bundle
from models.data.pool import DATA
from models.data.synthesis import STANDARD
from models.training.command import command
from models.training.recipe import LABELS, Recipe, from_plain

log = logging.getLogger(__name__)

Row = dict[str, str]

TOLD = {"dataset", "label", "source_id", "licence", "author", "url"}  # of a listing's columns
CARD = "MODEL_CARD.md"
TEMPLATE = Path(__file__).with_suffix(".md")
TAUGHT = (
    " Beside the labels the network learned to tell what YAMNet, its teacher, says of each clip in 521 classes of its "
    "own; that part is left out of what is shipped."
)
PRETRAINED = (
    " Its first {layers} layers began as those of [YAMNet](https://github.com/tensorflow/models/tree/master/research/"
    "audioset/yamnet), which was trained on two million clips of AudioSet: {frozen} of them are as they were, the "
    "others learned on, and what comes after them is new."
)
YAMNET = (
    "\n- YAMNet, in parts and changed: Google, Apache-2.0, <https://github.com/tensorflow/models/tree/master/research/"
    "audioset/yamnet>"
)
MACHINES = ("air_conditioner", "engine_idling", "drilling", "jackhammer")  # in the order of card.md


def card(loaded: Bundle, report: Report, listing: Sequence[Row], *, commands: str, history: str) -> str:
    """The card of a bundle, given the cross-validation of its recipe and the listing of what it was trained on."""
    made = loaded.manifest.provenance
    recipe = from_plain(json.loads(made["recipe"]))
    pretrained = recipe.shape.pretrained
    used = [r for r in listing if r["dataset"] not in recipe.leave_out_datasets and r["label"] in recipe.labels]
    words = {
        "name": loaded.name,
        "front_end": "log-mel" if pretrained else recipe.front_end.replace("pcen", "PCEN"),
        "modulation": ", and how fast each band pulses" if recipe.shape.modulation and not pretrained else "",
        "pretrained": PRETRAINED.format(layers=pretrained, frozen=recipe.shape.frozen) if pretrained else "",
        "yamnet": YAMNET if pretrained else "",
        "numbers": f" in whole numbers of eight bits ({made['quantised']})" if "quantised" in made else "",
        "bands": recipe.spec.mels,
        "kilohertz": f"{recipe.spec.sample_rate / 1000:g}",
        "parameters": f"{int(made['weights']):,}",
        "examples": f" and {made['examples']} numbers of examples to compare with" if "examples" in made else "",
        "multiply_adds": round(int(made["multiply_adds"]) / 1e6, 1),
        "megabytes": round(len(loaded.model) / 1e6, 2),
        "count": len(loaded.labels),
        "labels": ", ".join(f"`{label}`" for label in loaded.labels),
        "licence": loaded.manifest.licence,
        "data": _data(used),
        "synthesised": _synthesised(recipe, used),
        "most": len(recipe.mixing.sounds_in_clip) - 1,
        "underneath": f"{recipe.mixing.underneath:.0%}",
        "pairs": f"{recipe.pairs:.0%}",
        "teacher": TAUGHT if recipe.teacher_loss else "",
        "machines": _listed([str(_recordings(used, label)) for label in MACHINES]),
        "described": _described(recipe, report),
        "history": history.strip(),
        "scores": _scores(report),
        "recalls": _recalls(report),
        "scenes": _scenes(report),
        "commands": f"```sh\n{commands.strip()}\n```",
        "commit": made["commit"],
        "date": made["date"],
        "authors": _authors(used),
        "others": _others(used),
    }
    template = _without_strangers(TEMPLATE.read_text(encoding="utf-8"), loaded.labels)
    return string.Template(template).substitute(words)


def _without_strangers(template: str, labels: Sequence[str]) -> str:
    """The template without the items of its lists that speak of labels that the model does not know."""
    strangers = set(LABELS) - set(labels)
    lines = template.split("\n")
    return "\n".join(x for x in lines if not (x.startswith("- ") and strangers & set(re.findall(r"`(\w+)`", x))))


def _described(recipe: Recipe, report: Report) -> str:
    """Whose figures the report's are: of models of this recipe, or of another."""
    folds = ", ".join(str(run["fold"]) for run in report["folds"])
    if not measured.is_of(recipe, report):
        return _of_others(recipe, report, folds)
    return (
        f"These figures are of **models of the same recipe**, each trained without one of the folds {folds} of every "
        f"data set and asked about that fold; thresholds and calibration came from the other folds. {_ours(recipe)}"
    )


def _ours(recipe: Recipe) -> str:
    """What the weights at hand have heard of the files that a report asks about."""
    if recipe.left_out:
        return f"The shipped weights were trained without fold {_listed(list(map(str, recipe.left_out)))}."
    return (
        f"The shipped weights were then fitted on every fold, with as many steps ({recipe.steps}) and the thresholds "
        "of all folds; they have seen these files, so no figure of theirs on this data would mean anything."
    )


def _of_others(recipe: Recipe, report: Report, folds: str) -> str:
    theirs = measured.recipes(report)[0]
    words = (
        "**None of these figures was measured for these weights.** They are of the cross-validation of another model, "
        "and so are the calibration and the thresholds that these weights are shipped with. Its networks were trained "
        f"with {theirs.steps} steps on {len(report['labels'])} labels, each without one of the folds {folds} of every "
        f"data set, and asked about that fold. These weights had {recipe.steps} steps and {len(recipe.labels)} labels"
    )
    if fewer := [name for name in recipe.leave_out_datasets if name not in theirs.leave_out_datasets]:
        words += f", and nothing of {_listed(fewer)}, which the other learned from"
    return words + ". How well they hear, also the labels that both have, is not known."


def _synthesised(recipe: Recipe, used: Sequence[Row]) -> str:
    """Which labels were made by rule: alone, or beside recordings."""
    variants = dict.fromkeys(STANDARD, recipe.mixing.variants) | {"siren": recipe.mixing.siren_variants}
    made = [label for label in recipe.labels if variants.get(label)]
    alone = [f"`{label}` ({variants[label]})" for label in made if not _recordings(used, label)]
    beside = [f"{variants[label]} of `{label}`" for label in made if _recordings(used, label)]
    words = []
    if alone:
        words.append(
            f"Without any recording, synthesised alone (so many of each): {_listed(alone)}; the alarms by their "
            "standards (ISO 8201 T3; T4 of NFPA 720 and UL 2034), the others in wide variety. **The model has never "
            "heard a real one of these.**"
        )
    if beside:
        words.append(f"Synthesised sounds were also put beside the real ones: {_listed(beside)}.")
    return " ".join(words)


def _recordings(listing: Iterable[Row], label: str) -> int:
    """How many recordings a label has: several files may be cut from one."""
    return len({(row["dataset"], row["source_id"]) for row in listing if row["label"] == label})


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _data(listing: Sequence[Row]) -> str:
    counts = Counter(row["dataset"] for row in listing)
    rows = [
        (name, count, _one_of(row["licence"] for row in listing if row["dataset"] == name))
        for name, count in counts.items()
    ]
    return _table(("data set", "files", "licence"), rows)


def _scores(report: Report) -> str:
    rows = [
        (name, part["fold"], part["files"], _percent(part, "accuracy_own_labels"), _percent(part, "yamnet_own_labels"),
         _percent(part, "accuracy_all_labels"))
        for run in report["folds"]
        for name, part in run["datasets"].items() if measured.has_choice(part)
    ]  # fmt: skip
    return _table(("data set", "left out", "files", "among its own labels", "YAMNet", "among all labels"), rows)


def _percent(part: Report, key: str) -> str:
    return f"{part[key]:.1%}" if key in part else ""


def _recalls(report: Report) -> str:
    """Mean recall of each label over the folds: among its data set's labels, or among all where that has but one."""
    own = {name: measured.has_choice(part) for name, part in report["together"].items()}
    lines = [f"- {name}: {_means(report, name, 'recall')}" for name in own if own[name]]
    single = [f"- {name}: {_means(report, name, 'recall_all_labels')}" for name in own if not own[name]]
    if single:
        lines += ["", "Data sets of one label, answer among all labels:", "", *single]
    return "\n".join(lines)


def _means(report: Report, name: str, kind: str) -> str:
    recalls = [run["datasets"][name][kind] for run in report["folds"] if name in run["datasets"]]
    labels = sorted({label for recall in recalls for label in recall})
    means = {label: [recall[label] for recall in recalls if label in recall] for label in labels}
    return ", ".join(f"{label} {sum(m) / len(m):.0%}" for label, m in means.items())


def _scenes(report: Report) -> str:
    """Events in scenes of each fold."""
    rows = [
        (f"fold {run['fold']}", f"{said['hours']:.1f}", said["f1"], said["macro_f1"], said["precision"],
         said["recall"], said["false_alarms_per_hour"], said["latency_s"]["p50"], said["latency_s"]["p95"],
         said["onset_error_s"], said["end_error_s"])
        for run in report["folds"] if (said := run["scenes"])
    ]  # fmt: skip
    heading = ("left out", "hours", "F1", "macro F1", "precision", "recall", "false alarms an hour",
               "onset to event, p50 s", "p95 s", "error of start, s", "of end, s")  # fmt: skip
    return _table(heading, rows)


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
    ap.add_argument("--listing", type=Path, default=DATA / "metadata.csv", help="what it was trained on")
    ap.add_argument("--commands", type=Path, required=True, help="text file of the commands that made it")
    ap.add_argument("--history", type=Path, help="text file: what was tried before, and what the test fold decided")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: _write(options))


def _write(options: argparse.Namespace) -> None:
    try:
        with options.listing.open(newline="", encoding="utf-8-sig") as lines:
            listing = list(csv.DictReader(lines))
        commands = options.commands.read_text()
        history = options.history.read_text() if options.history else ""
    except (OSError, ValueError) as err:
        raise ListenerError(f"a card cannot be written: {err}") from err
    if lacking := TOLD - set(listing[0] if listing else ()):
        raise ListenerError(
            f"{options.listing}: a card names licences and authors; columns are missing: {', '.join(sorted(lacking))}."
        )
    loaded, report = bundle.load(options.bundle), measured.read(options.report)
    if missing := {"recipe", "weights", "multiply_adds"} - loaded.manifest.provenance.keys():
        raise ListenerError(f"{options.bundle}: its provenance has no {', '.join(sorted(missing))}. Export it again.")
    text = card(loaded, report, listing, commands=commands, history=history)
    (options.bundle / CARD).write_text(text, encoding="utf-8")
    log.info("wrote %s", options.bundle / CARD)


if __name__ == "__main__":
    sys.exit(main())
