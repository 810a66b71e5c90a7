"""The report's pictures. Each is drawn from the report's values alone, on white, so that it reads on any page."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from models.evaluation.report.ablation import FIGURES

DPI = 80
COLOURS = 96
INK, FAINT, BLUE, ORANGE = "#24292f", "#c3c8ce", "#2467a8", "#d1711c"
CHANGES = ("clips_map", "frames_map", "esc10_own", "urbansound8k_own")
COSTS = ("clips_map", "frames_map", "urbansound8k_own")

Report = dict[str, Any]


def draw(report: Report, out: Path) -> list[str]:
    """Draw every picture that the report has values for into a folder; their names."""
    return [name for name, picture in PICTURES.items() if _save(picture(report), out / f"{name}.png")]


def confusion(report: Report) -> Figure:
    """Which label was answered to files of which, in per cent of each row's files."""
    labels, counts = report["labels"], np.array(report["confusion"])
    files = counts.sum(axis=1)
    rows = np.flatnonzero(files)
    share = 100 * counts[rows] / files[rows, None]
    figure = Figure(figsize=(0.36 * len(labels) + 2.4, 0.3 * len(rows) + 2.0), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for y, x in zip(*np.nonzero(share >= 1), strict=True):
        ink = "white" if share[y, x] > 55 else INK
        axes.text(x, y, f"{share[y, x]:.0f}", ha="center", va="center", color=ink, fontsize=8)
    for y, x in enumerate(rows):
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=FAINT, linewidth=0.8))
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(len(rows)), [f"{labels[n]} ({files[n]})" for n in rows], fontsize=8)
    axes.set_xlabel("answered")
    axes.set_ylabel("true (files)")
    axes.set_title("Answers to files of the folds left out, % of the files of each row", fontsize=11, loc="left")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def precision_recall(report: Report) -> Figure:
    """A small panel for each label."""
    curves = report["curves"]
    columns = min(6, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(1.75 * columns + 0.5, 1.6 * rows + 0.7), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, (label, curve) in zip(panels, curves.items(), strict=False):
        panel.plot(curve["recall"], curve["precision"], color=BLUE, linewidth=1.6)
        panel.set_title(f"{label} ({curve['clips']})", fontsize=8)
        free = (0.06, 0.08, "left") if curve["average_precision"] > 0.35 else (0.96, 0.84, "right")
        panel.text(*free[:2], f"AP {curve['average_precision']:.2f}", ha=free[2], fontsize=8, color=INK)
        panel.set(xlim=(0, 1), ylim=(0, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        _plain(panel)
    for panel in panels[len(curves) :]:
        panel.set_visible(False)
    figure.supxlabel("recall", fontsize=9)
    figure.supylabel("precision", fontsize=9)
    figure.suptitle("Clips of mixtures from the folds left out (clips with the label)", fontsize=11)
    return figure


def reliability(report: Report) -> Figure:
    """How often what was given a probability was so; below, how many answers there are of each."""
    figure = Figure(figsize=(5.6, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot((0, 1), (0, 1), color=FAINT, linewidth=1)
    for (name, bins), colour in zip(report["reliability"].items(), (ORANGE, BLUE), strict=False):
        words = f"{_NAMES[name]}: expected error {100 * bins['expected_error']:.2f} points"
        above.plot(bins["said"], bins["was"], "o-", color=colour, markersize=5, linewidth=1.6, label=words)
        below.plot(bins["said"], bins["answers"], "o-", color=colour, markersize=3, linewidth=1)
    above.legend(frameon=False, fontsize=9, loc="lower right")
    above.set(ylim=(0, 1), ylabel="share that was so")
    below.set(xlim=(0, 1), yscale="log", xlabel="probability given", ylabel="answers")
    above.set_title("Probabilities in mixtures of the folds left out", fontsize=11, loc="left")
    _plain(above)
    _plain(below)
    return figure


def ablation(report: Report) -> Figure | None:
    """Of each variant the change from the base: a point for each fold and seed, a bar for their mean.

    Behind it how far that mean is from nothing by the seeds alone: both runs of a pair have theirs.
    """
    rows = [row for row in report["ablation"] if row["settings"] and any(row["change"].values())]
    if not rows:
        return None
    figure = Figure(figsize=(10.4, 0.27 * len(rows) + 1.5), layout="constrained")
    panels = figure.subplots(1, len(CHANGES), sharey=True)
    for panel, name in zip(panels, CHANGES, strict=True):
        noise = report["ablation_noise"].get(name)
        panel.axvline(0, color=INK, linewidth=0.8)
        for y, row in enumerate(rows):
            changes = row["change"].get(name, [])
            if changes and noise is not None:
                band = noise * (2 / len(changes)) ** 0.5
                panel.barh(y, 2 * band, left=-band, height=1, color=FAINT, alpha=0.45, linewidth=0)
            if changes:
                mean = np.mean(changes)
                panel.barh(y, mean, height=0.55, color=BLUE if mean >= 0 else ORANGE, alpha=0.55)
                panel.plot(changes, [y] * len(changes), "o", color=INK, markersize=3)
        panel.set_title(FIGURES[name], fontsize=9)
        _plain(panel)
    panels[0].set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=8)
    panels[0].invert_yaxis()
    figure.supxlabel("change from the base, points of per cent", fontsize=9)
    return figure


def cost(report: Report) -> Figure | None:
    """Accuracy against multiply-adds: nets of other widths joined, whatever else costs differently beside them."""
    rows = sorted(report["ablation"], key=lambda row: row["multiply_adds"])
    widths = [row for row in rows if row["only_width"]]
    if len({row["multiply_adds"] for row in widths}) < 2:
        return None
    usual = next((row["multiply_adds"] for row in widths if not row["settings"]), None)
    others = [row for row in rows if not row["only_width"] and row["multiply_adds"] != usual]
    figure = Figure(figsize=(10.4, 3.6), layout="constrained")
    for panel, name in zip(figure.subplots(1, len(COSTS)), COSTS, strict=True):
        _against_cost(panel, widths, name, ("o-", BLUE, "width alone changed"))
        _against_cost(panel, others, name, ("s", FAINT, "something else changed"))
        for row in widths:
            if name in row["mean"]:
                at = row["multiply_adds"] / 1e6, 100 * row["mean"][name]
                panel.annotate(row["name"], at, (4, -11), textcoords="offset points", fontsize=8)
        panel.set_title(FIGURES[name], fontsize=9)
        panel.margins(x=0.35)
        _plain(panel)
    figure.legend(*panel.get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False, fontsize=8)
    figure.supxlabel("million multiply-adds a clip", fontsize=9)
    figure.supylabel("%", fontsize=9)
    return figure


def _against_cost(panel: Axes, rows: list[dict[str, Any]], name: str, how: tuple[str, str, str]) -> None:
    mark, colour, words = how
    rows = [row for row in rows if name in row["mean"]]
    panel.errorbar(
        [row["multiply_adds"] / 1e6 for row in rows],
        [100 * row["mean"][name] for row in rows],
        [100 * row["spread"][name] for row in rows],
        fmt=mark, color=colour, markersize=5, linewidth=1.2, capsize=3, label=words,
    )  # fmt: skip


def _plain(axes: Axes) -> None:
    axes.grid(color=FAINT, linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _save(figure: Figure | None, path: Path) -> bool:
    if figure is None:
        path.unlink(missing_ok=True)  # of an earlier report
        return False
    drawn = BytesIO()
    figure.savefig(drawn, dpi=DPI, facecolor="white")
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(path, optimize=True)  # a third of the size
    return True


_NAMES = {"raw": "as the network gives them", "calibrated": "calibrated on the other folds"}
PICTURES: dict[str, Callable[[Report], Figure | None]] = {
    "confusion": confusion,
    "precision_recall": precision_recall,
    "reliability": reliability,
    "ablation": ablation,
    "cost": cost,
}
