"""Write a bundle's MODEL_CARD.md: python -m export.card --bundle folder --report report.json

One table that says of each label how often the daemon is right, how often it is wrong, and what it takes it for.
"""

import argparse
import csv
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from listener.pipeline import bundle
from listener.pipeline.bundle import Bundle
from models.data.labels import JOINED, TABLE
from models.data.pool import DATA
from models.data.recordings import FREE, TESTS_ONLY, DataError
from models.evaluation.page import table
from models.training.command import command
from models.training.recipe import Recipe, from_plain

log = logging.getLogger(__name__)

Row = dict[str, str]
Report = dict[str, Any]
CARD = "MODEL_CARD.md"
COLUMNS = {"dataset", "label", "licence", "author", "url"}  # of a listing
YAMNET = "https://github.com/tensorflow/models/tree/master/research/audioset/yamnet"
LIMITS = """\
- **This is no safety device.** It does not replace a smoke or carbon monoxide alarm, nor somebody who hears it.
- A faint, distant or masked sound is missed. Training asks for sounds down to 9 dB below the rest.
- Steady broadband sounds (engine, rain, sea, airplane, vacuum cleaner) are confused with one another.
- `gun_shot` and `fireworks` are not reported unless asked for: any bang may be taken for one.
- Sounds without a label may be reported as the label that resembles them most."""


def card(loaded: Bundle, report: Report, listing: Sequence[Row]) -> str:
    """The card of a bundle.

    Args:
        loaded: The bundle.
        report: The report of `models.evaluate` on the run of the same recipe that left a fold out.
        listing: The rows of the recordings' metadata.csv.
    """
    made = loaded.manifest.provenance
    recipe = from_plain(json.loads(made["recipe"]))
    used = [row for row in listing if _is_used(row, recipe)]
    scenes = report["scenes"]
    parts = [
        f"# Model card: {loaded.name}",
        _what_it_is(loaded, recipe),
        "## Labels\n\n"
        f"Measured on recordings of fold {report['fold']}, which the measured model was not trained on: "
        f"{scenes['hours']:.1f} hours of scenes with {scenes['true']} events, half over recorded rooms; "
        f"F1 {scenes['f1']:.2f}, {scenes['false_alarms_per_hour']:.1f} false alarms an hour of all labels together. "
        f"The shipped model has the same recipe and was trained on that fold as well. {report.get('note', '')}".strip(),
        table([("label", "name", "class", "right of", "false an hour", "taken for"), *_rows(loaded, report)]),
        "The full report is docs/model/report.md in the source.",
        f"## Limits\n\n{LIMITS}",
        f"## Training data\n\n{_data(used)}",
        f"## Made by\n\n`{made.get('command', '')}`, commit {made.get('commit', 'unknown')}, {made.get('date', '')}.",
        f"## Attributions\n\n{_attributions(used)}",
    ]
    return "\n\n".join(parts) + "\n"


def _what_it_is(loaded: Bundle, recipe: Recipe) -> str:
    manifest = loaded.manifest
    origin = (
        f" Its layers were initialised from [YAMNet]({YAMNET}) (Google, Apache-2.0) and all of them were trained on."
    )
    return (
        f"A causal convolutional network over log-mel spectrograms that computes every column once, "
        f"{len(loaded.model) / 1e6:.1f} MB. For each of {len(manifest.labels)} labels it gives an independent "
        f"probability for the last 3 s.{origin if recipe.shape.pretrained else ''}\n\n"
        f"**Licence of the weights: {manifest.licence}.** The program is Apache-2.0."
    )


def _rows(loaded: Bundle, report: Report) -> Iterable[Sequence[str]]:
    scenes, hours = report["scenes"]["labels"], report["scenes"]["hours"]
    for label in loaded.labels:
        about, row = loaded.about(label), scenes.get(label)
        right = f"{row['hit']} of {row['true']}" if row else ""
        false = f"{row['false'] / hours:.2f}" if row else ""
        others = list(report["raised"].get(label, {}).items())[:2]
        taken = ", ".join(f"{other} ({100 * share:.0f} %)" for other, share in others if share >= 0.05)
        yield f"`{label}`", about.name, about.kind, right, false, taken


def _is_used(row: Row, recipe: Recipe) -> bool:
    """Whether a recording may have been heard in training, as a label or as a distractor."""
    free = row["licence"].lower() in FREE
    return (
        row["licence"] not in TESTS_ONLY
        and (free or not recipe.free)
        and row["dataset"] not in recipe.leave_out_datasets
    )


def _data(used: Sequence[Row]) -> str:
    counts = Counter((row["dataset"], row["licence"]) for row in used)
    rows = [(name, licence, str(count)) for (name, licence), count in sorted(counts.items())]
    known = {label.id for label in TABLE}
    labelled = sum(JOINED.get(row["label"], row["label"]) in known for row in used)
    return (
        table([("data set", "licence", "recordings"), *rows])
        + f"\n\n{labelled} of these {len(used)} recordings have a label of the bundle; the others are distractors. "
        "Alarms, doorbells, telephones, clocks, beeps and notifications were synthesised as well. Recordings were "
        "mixed into streams of 8 s with up to five events, speech or music, recorded and synthesised rooms and noise, "
        "and the faults of microphones and codecs."
    )


def _attributions(used: Sequence[Row]) -> str:
    authors: dict[str, set[str]] = {}
    for row in used:
        if row["author"] and not row["licence"].lower().startswith(("cc0", "public")):
            authors.setdefault(row["licence"], set()).add(row["author"])
    lines = [f"- {licence}: {', '.join(sorted(names, key=str.lower))}" for licence, names in sorted(authors.items())]
    return "\n".join([f"- YAMNet, changed: Google, Apache-2.0, <{YAMNET}>", *lines])


def read_listing(folder: Path) -> list[Row]:
    """The rows of a folder's metadata.csv. DataError where it cannot be read or lacks a column."""
    path = folder / "metadata.csv"
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except OSError as err:
        raise DataError(f"{path}: {err.strerror}", code="card-listing", remedy="Name the folder with --data.") from err
    if rows and (missing := COLUMNS - rows[0].keys()):
        raise DataError(f"{path}: no column {', '.join(sorted(missing))}", code="card-listing", remedy="Add it.")
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    ap = argparse.ArgumentParser(prog="python -m export.card", description=(__doc__ or "").partition("\n")[0])
    ap.add_argument("--bundle", type=Path, required=True)
    ap.add_argument("--report", type=Path, required=True, help="report.json of models.evaluate")
    ap.add_argument("--data", type=Path, default=DATA, help="folder with a metadata.csv (default %(default)s)")
    options = ap.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return command(lambda: _write(options))


def _write(options: argparse.Namespace) -> None:
    try:
        report = json.loads(options.report.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise DataError(
            f"{options.report}: no report ({err})", code="card-report", remedy="Run python -m models.evaluate."
        ) from err
    path = options.bundle / CARD
    path.write_text(card(bundle.load(options.bundle), report, read_listing(options.data)), encoding="utf-8")
    log.info("wrote %s", path)


if __name__ == "__main__":
    sys.exit(main())
