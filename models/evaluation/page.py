"""The report as a page of Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

Report = dict[str, Any]
Row = Sequence[str]
WORST = 25  # rows of the table of what raises a label
SCENE_FIGURES = {
    "f1": "F1", "macro_f1": "macro F1", "precision": "precision", "recall": "recall",
    "false_alarms_per_hour": "false alarms an hour",
}  # fmt: skip


def page(report: Report) -> str:
    """The whole page."""
    parts = [_head(report), _scenes(report), _files(report), _raised(report), _alarms(report), _alone(report)]
    return "\n\n".join(line for part in parts for line in part) + "\n"


def table(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table, the first being the head."""
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])


def _head(report: Report) -> Iterable[str]:
    yield f"# Report on {report['bundle']}"
    yield (
        f"Made by `python -m models.evaluate` on {report['date']}. Trained without fold {report['fold']}. "
        f"Scenes and events are of recordings of that fold ({report['part']} half), thresholds of the other half; "
        "whole files are of all of it."
    )
    if report.get("note"):
        yield report["note"]


def _scenes(report: Report) -> Iterable[str]:
    scenes = report["scenes"]
    yield "## Events in scenes"
    yield (
        f"{scenes['hours']:.1f} hours of mixed recordings with {scenes['true']} events of all labels, half of them "
        "over recorded rooms, heard by the daemon."
    )
    rows = [(name, _number(scenes[key])) for key, name in SCENE_FIGURES.items()]
    rows += [(f"onset to event, {name}", f"{_number(scenes['latency_s'][name])} s") for name in ("p50", "p95")]
    yield table([("figure", "value"), *rows])
    yield table(
        [
            ("label", "events", "hits", "false alarms", "F1"),
            *(
                (label, str(row["true"]), str(row["hit"]), str(row["false"]), _number(row["f1"]))
                for label, row in scenes["labels"].items()
            ),
        ]
    )


def _files(report: Report) -> Iterable[str]:
    files = report["files"]
    yield "## Whole files"
    yield "The label with the highest score, among all labels and among the data set's own; YAMNet mapped by hand."
    rows = [
        (name, str(of["files"]), str(of["labels"]), *(_percent(of.get(key)) for key in ("all", "own", "yamnet_own")))
        for name, of in files["datasets"].items()
    ]
    yield table([("data set", "files", "labels", "all labels", "own labels", "YAMNet, own labels"), *rows])
    if leakage := files["leakage"]:
        yield (
            "A linear classifier tells the data set of a file from its embedding, within labels of several sets, with "
            f"a balanced accuracy of {_percent(leakage['balanced_accuracy'])}; guessing: {_percent(leakage['chance'])}."
        )


def _raised(report: Report) -> Iterable[str]:
    yield "## What else raises a label"
    pairs = [
        (share, truth, label) for truth, others in report["raised"].items() for label, share in others.items() if share
    ]
    rows = [(truth, label, _percent(share)) for share, truth, label in sorted(pairs, reverse=True)[:WORST]]
    yield "The share of the fold's files of one sound that the daemon reports as another, the most frequent pairs."
    yield table([("sound", "reported as", "files"), *rows])


def _alarms(report: Report) -> Iterable[str]:
    if report["alarms"]:
        yield "## Real smoke alarms kept back from training"
        yield table([("recording", "reported"), *((name, ", ".join(of)) for name, of in report["alarms"].items())])


def _alone(report: Report) -> Iterable[str]:
    yield "## Speech and music alone"
    rows = [
        (label, _number(of["minutes"]), str(len(of["others"])), _number(of["an_hour"]))
        for label, of in report["alone"].items()
        if of
    ]
    yield table([("sound", "minutes", "events of other labels", "an hour"), *rows])


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
