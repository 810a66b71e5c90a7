"""The report as a Markdown page: tables, pictures, and of each which fold and which command it came from."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from models.evaluation.report.ablation import FIGURES, commands
from models.training.recipe import LABELS

Report = dict[str, Any]
Row = Sequence[object]

SCENE_FIGURES = (
    "hours",
    "f1",
    "macro_f1",
    "precision",
    "recall",
    "false_alarms_per_hour",
    "onset_error_s",
    "end_error_s",
)


def page(report: Report, pictures: Sequence[str]) -> str:
    """All of it. What was not given is named."""
    parts = [
        "# How the model does on folds that it was not trained on",
        f"Written by `{report['command']}` on {report['date']}; every number is in [report.json](report.json).",
        *_missing(report),
        *_runs(report),
        *_accuracies(report),
        *_recalls(report),
        *_confusions(report),
        *_mixtures(report),
        *_scenes(report),
        *_ablation(report, pictures),
    ]
    for name, given in report["tables"].items():
        source = f"From `{report['sources'][name]}`. {given['note']}".strip()
        parts += [f"## {name[:1].upper()}{name[1:]}", source, plain_table(given["rows"])]
    return "\n\n".join(parts) + "\n"


def summary(report: Report) -> list[Row]:
    """The end-of-run table, its heading first."""
    rows: list[Row] = [("fold", "data set", "files", "own labels", "YAMNet", "all labels", "mixtures mAP", "events F1")]
    for run in report["folds"]:
        for n, (name, figures) in enumerate(run["datasets"].items()):
            of_fold = (run["mixtures"]["clips_map"], (run["scenes"] or {}).get("f1")) if n == 0 else ("", "")
            rows.append((figures["fold"], name, *_figures(figures), *map(_plain, of_fold)))
    rows += [("all", name, *_figures(figures), "", "") for name, figures in report["together"].items()]
    return rows


def aligned(rows: Sequence[Row]) -> str:
    """Rows as Markdown whose columns also line up in a terminal."""
    words = [[str(cell) for cell in row] for row in rows]
    widths = [max(3, *(len(row[n]) for row in words)) for n in range(len(words[0]))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in words]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in lines)


def plain_table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of (nearly) equal keys as a table; what a row lacks is left empty."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    return aligned([keys, *([_plain(row.get(key, "")) for key in keys] for row in rows)]) if keys else "No rows."


def _missing(report: Report) -> Iterable[str]:
    if report["missing"]:
        yield "Not in this report:\n\n" + "\n".join(f"- {words}" for words in report["missing"])


def _runs(report: Report) -> Iterable[str]:
    yield "## The runs"
    words = "Each was trained without one fold of every data set, and is asked only about that fold."
    yield " ".join([words, *_decided_on(report)])
    rows: list[Row] = [("left out", "steps", "made by")]
    rows += [(f"fold {run['fold']}", _steps(run), f"`{run['trained_by']}`") for run in report["folds"]]
    yield aligned(rows)


def _decided_on(report: Report) -> Iterable[str]:
    """What the test's folds have decided before it, a sentence each."""
    if folds := sorted({fold for row in report["ablation"] for fold in row["folds"]}):
        yield f"The short runs of the ablation left out fold{'s' * (len(folds) > 1)} {_list(folds)}."
    if report["labels"] == list(LABELS):
        yield "What the folds have decided is in [export/history.md](../../export/history.md)."


def _accuracies(report: Report) -> Iterable[str]:
    yield "## Files"
    yield (
        "Share of the files whose highest score is their label: among the data set's own labels, and among all "
        f"{len(report['labels'])}. A file's score is the mean over the clips that `listener classify --scores` cuts. "
        "Synthesised sounds are made from seeds, rooms and noise that training has not had, the same for each run. "
        "Where there is a calibration, fitted on the other folds, scores are calibrated, as those of a bundle are; "
        "«raw» are the network's own. «YAMNet» is YAMNet on the same files, a label being the highest of its classes, "
        "each the mean over its windows; which classes was chosen by hand, for the good of its figures on folds 1 and "
        "2 (`HEARD_AS` in `models/peer.py`)."
    )
    rows: list[Row] = [("data set", "left out", "files", "own labels", "YAMNet", "all labels", "own, raw", "all, raw")]
    for name, every in report["together"].items():
        parts = [run["datasets"][name] for run in report["folds"] if name in run["datasets"]]
        rows += [(name, part["fold"], *_figures(part), *_raw(part)) for part in parts]
        if len(parts) > 1:
            rows.append((f"**{name}**", "together", *_figures(every), *_raw(every)))
    yield aligned(_without_empty(rows))


def _recalls(report: Report) -> Iterable[str]:
    yield "### Recall of each label"
    yield "Share of a label's files that were answered so among the data set's own labels; in brackets YAMNet's."
    for name in report["together"]:
        parts = [run["datasets"][name] for run in report["folds"] if name in run["datasets"]]
        labels = sorted({label for part in parts for label in part["recall"]})
        if len(labels) > 1:
            rows: list[Row] = [(name, *(part["fold"] for part in parts))]
            rows += [(label, *(_recall(part, label) for part in parts)) for label in labels]
            yield aligned(rows)


def _confusions(report: Report) -> Iterable[str]:
    yield "### What is taken for what"
    yield _picture("confusion", "Confusion matrix over all labels, rows in per cent")
    yield (
        f"Files of {_folds(report)}, every data set, each answered by the run that left its fold out, among all "
        "labels. The synthesised files are the same for each run, so counted once a run. Shares below "
        "1 % are not written."
    )
    lines = [
        f"- {part['fold']}, {name}: "
        + "; ".join(f"{true} → {said} {count}" for true, said, count in part["confused"][:8])
        for run in report["folds"]
        for name, part in run["datasets"].items()
        if part["confused"]
    ]
    yield "Most frequent (true → answered, files):\n\n" + "\n".join(lines)


def _mixtures(report: Report) -> Iterable[str]:
    yield "## Mixtures"
    most = max(len(run["recipe"]["mixing"]["sounds_in_clip"]) for run in report["folds"]) - 1
    yield (
        f"Clips mixed as training's, but whose recordings are all of the fold left out, with up to {most} sounds, room "
        "and noise; labels that nobody could be sure about are not counted. Synthesised sounds, rooms, noises and "
        "devices are others than training's."
    )
    rows: list[Row] = [("left out", "clips", "mAP of clips", "mAP of frames (every fourth of 80 ms)")]
    for run in report["folds"]:
        mixtures = run["mixtures"]
        rows.append((f"fold {run['fold']}", *(_plain(mixtures[key]) for key in ("clips", "clips_map", "frames_map"))))
    yield aligned(rows)
    yield _picture("precision_recall", "Precision and recall of each label")
    yield f"Clip scores of the mixtures of {_folds(report)} together; AP is the average precision."
    yield _picture("reliability", "Reliability diagram")
    given = "calibrated" in report["reliability"]
    yield (
        f"Every (clip, label) answer about the mixtures of {_folds(report)}. On the diagonal a probability means "
        "what it says; a room holds far fewer sounds than mixtures do, so there the same probability is worth less. "
        + ("Calibrated: each run by what `python -m models.calibrate` fitted on the other folds." if given else "")
    ).strip()


def _scenes(report: Report) -> Iterable[str]:
    named = {f"fold {run['fold']}": run["scenes"] for run in report["folds"] if run["scenes"]} | report["scenes"]
    if not named:
        return
    yield "## Events in scenes"
    yield (
        "Long recordings by `make_scene.py`, heard by the whole daemon with the thresholds fitted on the other folds, "
        "events judged by `score_events.py` (`python -m models.calibrate` writes the runs' scenes.json)."
    )
    rows: list[Row] = [("scenes", *SCENE_FIGURES, "latency p50 s", "latency p95 s")]
    for name, said in named.items():
        latency = said.get("latency_s") or {}
        figures = [said.get(key) for key in SCENE_FIGURES] + [latency.get("p50"), latency.get("p95")]
        rows.append((name, *map(_plain, figures)))
    yield aligned(rows)
    labels = sorted({label for said in named.values() for label in said.get("labels", {})})
    yield "F1 of each label (hits of true events, false alarms):"
    events: list[Row] = [("label", *named)]
    events += [(label, *(_events(said.get("labels", {}).get(label)) for said in named.values())) for label in labels]
    yield aligned(events)


def _ablation(report: Report, pictures: Sequence[str]) -> Iterable[str]:
    if not report["ablation"]:
        return
    rows = report["ablation"]
    steps = sorted({n for row in rows for n in row["steps"]})
    yield "## What each part is worth"
    yield f"Short trainings ({_list(steps)} steps) of a base with one thing changed, a fold left out of each, by:"
    yield "```sh\n" + "\n".join(commands(rows, report["sources"]["ablation"])) + "\n```"
    yield (
        "The base, which is the recipe as it was before this table: means over its runs ± their standard deviation, %. "
        "The others: how many points better (+) or worse than the base's run of the same fold and seed, the mean over "
        "such pairs ± their standard deviation."
    )
    shown = [figure for figure in FIGURES if any(figure in row["mean"] for row in rows)]
    table: list[Row] = [("variant", "runs' seeds", "million multiply-adds", *(FIGURES[figure] for figure in shown))]
    for row in rows:
        figures = (_absolute(row, f) if not row["settings"] else _change(row, f) for f in shown)
        table.append((row["name"], _list(row["seeds"]), f"{row['multiply_adds'] / 1e6:.1f}", *figures))
    yield aligned(table)
    if "ablation" in pictures:
        yield _picture("ablation", "Change from the base by each variant")
        yield (
            "A point is one run less the base's run of the same fold and seed, a bar their mean. The grey behind it is "
            "one standard deviation of such a mean of nothing but seeds, from how far runs of the base lie apart that "
            "differ in nothing else (no grey where there is one seed): √2 of theirs for one pair, less for more. A bar "
            "within it says nothing."
        )
    if "cost" in pictures:
        yield _picture("cost", "Accuracy against multiply-adds")
        yield "Means over the same runs, whiskers one standard deviation over seeds and folds."


def _absolute(row: dict[str, Any], figure: str) -> str:
    return f"{100 * row['mean'][figure]:.1f} ± {100 * row['spread'][figure]:.1f}" if figure in row["mean"] else ""


def _change(row: dict[str, Any], figure: str) -> str:
    """In points, beside the base's runs; empty where it has no twin."""
    points = row["change"].get(figure, [])
    if not points:
        return ""
    spread = f" ± {stdev(points):.1f}" if len(points) > 1 else ""
    return f"{fmean(points):+.1f}{spread}"


def _without_empty(rows: Sequence[Row]) -> list[Row]:
    """The rows without columns that have nothing but a heading."""
    filled = [n for n in range(len(rows[0])) if any(row[n] for row in rows[1:])]
    return [[row[n] for n in filled] for row in rows]


def _steps(run: Report) -> str:
    done, wanted = run["steps"], run["of_steps"]
    return str(done) if done == wanted else f"{done} of {wanted}: not finished"


def _figures(part: Report) -> tuple[str, ...]:
    """Files, and accuracy among own labels, YAMNet's, and among all. One label of its own is no question."""
    own = _share(part, "accuracy_own_labels") if part.get("labels", 2) > 1 else "one label"
    peer = _share(part, "yamnet_own_labels") if part.get("labels", 2) > 1 else ""
    return str(part["files"]), own, peer, _share(part, "accuracy_all_labels")


def _raw(part: Report) -> tuple[str, str]:
    own = _share(part, "raw_own_labels") if part.get("labels", 2) > 1 else ""
    return own, _share(part, "raw_all_labels")


def _recall(part: Report, label: str) -> str:
    if label not in part["recall"]:
        return ""
    peer = part.get("yamnet_recall", {}).get(label)
    return f"{100 * part['recall'][label]:.0f} %" + (f" ({100 * peer:.0f} %)" if peer is not None else "")


def _events(counts: Report | None) -> str:
    if not counts:
        return ""
    return f"{_plain(counts['f1'])} ({counts['hit']} of {counts['true']}, {counts['false']})"


def _share(part: Report, key: str) -> str:
    return f"{100 * part[key]:.1f} %" if key in part else ""


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(of)}" for name, of in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")


def _folds(report: Report) -> str:
    folds = [str(run["fold"]) for run in report["folds"]]
    return f"fold {folds[0]}" if len(folds) == 1 else f"folds {', '.join(folds[:-1])} and {folds[-1]}"


def _list(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


def _picture(name: str, words: str) -> str:
    return f"![{words}]({name}.png)"


def write(report: Report, pictures: Sequence[str], out: Path) -> None:
    """Write report.md into a folder."""
    (out / "report.md").write_text(page(report, pictures), encoding="utf-8")
