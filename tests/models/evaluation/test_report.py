"""The report's figures are right, its pictures are drawn, and its page names what it has and has not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from listener.pipeline.values import Floats
from models.data.recordings import DataError, read_any
from models.evaluate import report_on
from models.evaluation.report import ablation, figures, page, pictures
from models.evaluation.report.runs import Examined, Run, Scored, hear
from models.evaluation.test_split import Files
from models.evaluation.yamnet import CLASSES, HEARD_AS, label_scores
from models.training.recipe import LABELS as STANDARD_LABELS
from tests.models.sounds import label_folders, random_pool, tiny_recipe
from tests.models.test_evaluate import untrained

LABELS = ("rain", "sea_waves", "siren")


def scored(labels: tuple[str, ...], scores: Floats, dataset: str = "x") -> Scored:
    names = tuple(map(str, range(len(labels))))
    return Scored(
        Files(labels, (dataset,) * len(labels), names, np.zeros((0, 1, 1), np.float16), np.zeros(0, np.int64)),
        scores, None, None,
    )  # fmt: skip


def ablation_run(name: str, seed: int, precision: float, settings: dict[str, str], cost: int = 10) -> dict[str, Any]:
    run = {"name": name, "seed": seed, "settings": settings, "clips_map": precision, "multiply_adds": cost}
    return run | {"fold": 1, "steps": 9}


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Examined:
    folder = tmp_path_factory.mktemp("report")
    recordings = read_any(label_folders(folder / "sounds"))
    fold = recordings[0].fold
    run = Run(folder, untrained(tiny_recipe(leave_out_fold=fold)), fold, None, None)
    return hear(run, recordings, random_pool(), each=1, peer=None, cache=folder / "cache")


@pytest.fixture(scope="module")
def report(heard: Examined) -> dict[str, Any]:
    """A whole report, as it is once it was read back."""
    runs = [
        ablation_run("the base", 1, 0.5, {}),
        ablation_run("the base", 2, 0.52, {}),
        ablation_run("wide", 1, 0.6, {"shape.widths": "9"}, cost=20),
    ]
    extras = {
        "command": "python -m models.evaluate", "date": "2026-01-01", "missing": ["No scenes were given for fold 1."],
        "ablation": ablation.variants(runs), "ablation_noise": {"clips_map": ablation.noise(runs, "clips_map")},
        "scenes": {}, "tables": {"others": {"rows": [{"a|b": 0.25}, {"c": None}], "note": "Mind."}},
        "sources": {"others": "o.json", "ablation": "a.json"},
    }  # fmt: skip
    whole: dict[str, Any] = json.loads(json.dumps(report_on([heard]) | extras))
    return whole


def test_a_sets_own_labels_are_told_from_all() -> None:
    said = scored(("rain", "sea_waves"), np.array([[0.4, 0.1, 0.5], [0.1, 0.9, 0.2]], np.float32))
    table = figures.of_dataset(said, LABELS, "x")
    assert (table["accuracy_own_labels"], table["accuracy_all_labels"]) == (1.0, 0.5)
    assert table["recall_all_labels"] == {"rain": 0.0, "sea_waves": 1.0}
    assert table["confused"] == [["rain", "siren", 1]]


def test_answers_are_those_of_a_bundle_which_calibrates_and_the_networks_own_stand_beside() -> None:
    said = scored(("rain", "sea_waves"), np.array([[0.8, 0.1, 0.5], [0.1, 0.9, 0.2]], np.float32))
    table = figures.of_dataset(replace(said, raw=said.scores[:, ::-1]), LABELS, "x")
    assert (table["accuracy_all_labels"], table["raw_all_labels"]) == (1.0, 0.5)


def test_folds_together_weigh_by_their_files() -> None:
    one = {"fold": "fold 1", "files": 3, "labels": 2, "accuracy_own_labels": 1.0}
    other = {"fold": "fold 2", "files": 1, "labels": 2, "accuracy_own_labels": 0.0}
    both = figures.together([{"datasets": {"x": one}}, {"datasets": {"x": other}}])
    assert both["x"]["accuracy_own_labels"] == 0.75


def test_a_fold_that_is_not_all_here_is_called_a_part() -> None:
    some = scored(("siren",), np.zeros((1, 3), np.float32), "urbansound8k").files
    assert figures.fold_name("urbansound8k", 3, some) == "fold 3 (part)"
    assert figures.fold_name("esc10", 3, some) == "fold 3"


def test_a_probability_that_is_right_as_often_as_it_says_has_no_expected_error() -> None:
    table = figures.reliability(np.full(4, 0.25, np.float32), np.array([True, False, False, False]))
    assert (table["said"], table["was"], table["expected_error"]) == ([0.25], [0.25], 0.0)
    assert table["squared_error"] == pytest.approx(3 / 16)


def test_a_variant_is_put_beside_the_recipes_run_of_its_own_seed() -> None:
    runs = [
        ablation_run("it", 1, 0.5, {}),
        ablation_run("it", 2, 0.7, {}),
        ablation_run("less", 2, 0.6, {"pairs": "0"}),
    ]
    rows = ablation.variants(runs)
    assert [(row["name"], row["change"]["clips_map"]) for row in rows] == [("it", [0, 0]), ("less", [-10])]
    assert ablation.noise(runs, "clips_map") == pytest.approx(10 * 2**0.5)


def test_the_commands_make_the_runs_of_the_table_and_no_others() -> None:
    settings: dict[str, dict[str, str]] = {"it": {}, "less": {"pairs": "0"}}
    runs = [ablation_run(name, seed, 0.5, settings[name]) for name in settings for seed in (1, 2)]
    rows = ablation.variants([*runs, ablation_run("it", 3, 0.5, {}), runs[0] | {"fold": 2}])
    made = "python -m models.experiments.ablate --out a.json --steps 9 --folds"
    assert ablation.commands(rows, "a.json") == [
        f"{made} 1 2 --seeds 1 --only it",
        f"{made} 1 --seeds 2 --only it less",
        f"{made} 1 --seeds 3 --only it",
        f"{made} 1 --seeds 1 --only less",
    ]


def test_a_full_table_is_made_by_one_command() -> None:
    settings = {"pairs": "0"}
    runs = [
        ablation_run(name, seed, 0.5, settings) | {"fold": fold} for name in "ab" for seed in (1, 2) for fold in (2, 1)
    ]
    assert ablation.commands(ablation.variants(runs), "a b.json") == [
        "python -m models.experiments.ablate --out 'a b.json' --steps 9 --folds 1 2 --seeds 1 2 --only a b"
    ]


@pytest.mark.parametrize(("changes", "width"), [([1.0], 2 * 3 * 2**0.5), ([1.0, 2.0], 2 * 3)])
def test_the_grey_behind_a_bar_is_of_a_difference_of_two_runs(changes: list[float], width: float) -> None:
    row = {"name": "less", "settings": {"pairs": "0"}, "change": {"clips_map": changes}}
    figure = pictures.ablation({"ablation": [row], "ablation_noise": {"clips_map": 3.0}})
    assert figure is not None
    grey, bar = (patch.get_bbox() for patch in figure.axes[0].patches)
    assert (grey.width, grey.x0 + grey.x1) == pytest.approx((width, 0))
    assert bar.x1 == pytest.approx(np.mean(changes))


def test_every_picture_that_has_values_is_drawn_small(report: dict[str, Any], tmp_path: Path) -> None:
    drawn = pictures.draw(report, tmp_path)
    assert drawn == list(pictures.PICTURES)
    assert all((tmp_path / f"{name}.png").stat().st_size < 100_000 for name in drawn)


def test_pictures_without_values_are_left_out(report: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "cost.png").touch()
    drawn = pictures.draw(report | {"ablation": []}, tmp_path)
    assert drawn == ["confusion", "precision_recall", "reliability"]
    assert not (tmp_path / "cost.png").exists()


def test_the_page_has_every_part_and_names_what_is_missing(report: dict[str, Any]) -> None:
    text = page.page(report, ["ablation", "cost"])
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["The runs", "Files", "Mixtures", "What each part is worth", "Others"]
    assert "- No scenes were given for fold 1." in text
    assert "From `o.json`. Mind." in text


def test_the_page_says_what_the_ablation_left_out_and_where_the_rest_is_told(report: dict[str, Any]) -> None:
    shipped = page.page(report | {"labels": list(STANDARD_LABELS)}, [])
    assert "The short runs of the ablation left out fold 1. What the folds have decided is in [exp" in shipped
    assert "What the folds have decided" not in page.page(report, [])  # of a stranger's labels the history says nothing
    assert "ablation left out" not in page.page(report | {"ablation": []}, [])


def test_changes_of_two_pairs_have_the_deviation_of_a_sample(report: dict[str, Any]) -> None:
    rows = ablation.variants(
        [ablation_run("it", seed, 0.5, {}) for seed in (1, 2)]
        + [ablation_run("less", seed, 0.5 + seed / 100, {"pairs": "0"}) for seed in (1, 2)]
    )
    assert "| +1.5 ± 0.7 " in page.page(report | {"ablation": rows}, [])


def test_a_table_lines_up_and_leaves_empty_what_a_row_lacks() -> None:
    assert page.plain_table([{"a": 0.25}, {"b": "x|y"}]).splitlines() == [
        "| a    | b    |",
        "| ---- | ---- |",
        "| 0.25 |      |",
        "|      | x\\|y |",
    ]


def test_the_summary_has_a_line_for_each_data_set(report: dict[str, Any]) -> None:
    heading, *rows = page.summary(report)
    assert [row[1] for row in rows] == ["sounds", "sounds"]
    assert {len(row) for row in rows} == {len(heading)}


def test_a_run_is_asked_only_about_its_own_fold(heard: Examined, tmp_path: Path) -> None:
    recordings = read_any(label_folders(tmp_path / "sounds"))
    elsewhere = [replace(recording, fold=heard.run.fold + 1) for recording in recordings]
    with pytest.raises(DataError, match="none of the recordings is of it"):
        hear(heard.run, elsewhere, random_pool(), each=0, peer=None)
    mixed = hear(heard.run, [*recordings[:1], *elsewhere], random_pool(), each=0, peer=None, cache=tmp_path / "cache")
    assert mixed.scored[0].files.labels == recordings[0].labels


def test_yamnets_score_of_a_label_is_the_highest_of_its_classes(tmp_path: Path) -> None:
    names = [*HEARD_AS["rain"], *HEARD_AS["siren"]]
    listing = tmp_path / "map.csv"
    listing.write_text("index,mid,display_name\n" + "".join(f'{n},m,"{name}"\n' for n, name in enumerate(names)))
    classes = np.zeros((1, CLASSES), np.float32)
    classes[0, 1], classes[0, len(HEARD_AS["rain"])] = 0.5, 0.25
    assert label_scores(classes, ["siren", "rain"], listing).tolist() == [[0.25, 0.5]]
