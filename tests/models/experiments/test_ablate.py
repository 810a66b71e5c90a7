"""Every variant is a recipe that can be built, and a run that was made is not made again."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from models.data.recordings import DataError
from models.experiments.ablate import VARIANTS, _last_words, _Table, recipe_of
from models.network.network import make_net, multiply_adds

RUN: dict[str, Any] = {"name": "the base", "fold": 1, "seed": 2, "steps": 3, "settings": {}}


def table_with(path: Path, base: dict[str, Any]) -> _Table:
    """The table of a file whose base had these numbers besides."""
    _Table(path).add(RUN)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({"base": content["base"] | base, "runs": content["runs"]}))
    return _Table(path)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_a_network_and_only_the_base_is_the_base(name: str) -> None:
    recipe = recipe_of(name)
    assert multiply_adds(make_net(recipe), recipe.spec.mels, recipe.spec.columns) > 0
    assert (recipe == recipe_of("the base")) is (not VARIANTS[name])


def test_a_variant_is_learned_from_the_same_pool() -> None:
    assert len({repr(recipe_of(name).mixing) for name in VARIANTS}) == 1


def test_runs_that_are_in_the_file_are_there_after_another_start(tmp_path: Path) -> None:
    _Table(tmp_path / "runs.json").add(RUN | {"clips_map": 0.5})
    again = _Table(tmp_path / "runs.json")
    assert again.has(**RUN)
    assert not again.has(**RUN | {"seed": 1})


def test_a_variant_that_has_other_settings_now_is_run_again_and_takes_the_place_of_the_old_run(tmp_path: Path) -> None:
    table = _Table(tmp_path / "runs.json")
    table.add(RUN | {"settings": {"pairs": "0.1"}})
    assert not table.has(**RUN)
    table.add(RUN)
    assert json.loads((tmp_path / "runs.json").read_text())["runs"] == [RUN]


@pytest.mark.parametrize("base", [{"dropout": 0.9}, {"a number that no recipe has": 1}], ids=["other", "unknown"])
def test_runs_of_another_base_are_not_mixed_with_those_of_this_one(tmp_path: Path, base: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="--out"):
        table_with(tmp_path / "runs.json", base)


def test_a_file_that_does_not_say_its_base_is_not_added_to(tmp_path: Path) -> None:
    (tmp_path / "runs.json").write_text(json.dumps({"runs": [RUN]}))
    with pytest.raises(DataError, match="--out"):
        _Table(tmp_path / "runs.json")


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    _Table(tmp_path / "runs.json").add(RUN)
    assert [path.name for path in tmp_path.iterdir()] == ["runs.json"]


def test_a_training_that_was_killed_without_a_word_is_told_by_its_status() -> None:
    assert _last_words(subprocess.CompletedProcess([], -9, "", "")) == "exit status -9"
    assert _last_words(subprocess.CompletedProcess([], 1, "", "a\nthe reason\n")) == "the reason"


def test_a_table_without_a_file_has_no_runs(tmp_path: Path) -> None:
    assert not _Table(tmp_path / "runs.json").has(name="the base")
