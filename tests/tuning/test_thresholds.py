"""Changed thresholds are written where the daemon reads them, and mean there what they meant while they were tried."""

from pathlib import Path

import msgspec
import pytest

from listener import config as configuration
from listener.errors import ConfigError
from listener.messages import Hello
from listener.pipeline import bundle as bundles
from listener.pipeline.bundle import LabelRule
from listener.tuning.save_result import SaveResult
from listener.tuning.thresholds import save
from tests.sinks.messages import HELLO

GREETING = msgspec.structs.replace(HELLO, labels=["hiss", "hum"])


@pytest.fixture
def path(tmp_path: Path, tiny_folder: Path) -> Path:
    """A configuration with remarks, which calls one of the model's labels by another name."""
    path = tmp_path / "config.toml"
    path.write_text(
        f'# my listener\n[model]\nbundle = "{tiny_folder}"  # tiny\n\n[labels.hiss]\nname = "kettle"  # mostly\n'
    )
    return path


def kept(path: Path, greeting: Hello = GREETING, **thresholds: float) -> SaveResult:
    return save(lambda _hello: path, greeting, thresholds)


def rule(path: Path, label: str) -> LabelRule:
    config = configuration.load(path)
    return configuration.rules(config, bundles.load(bundles.find(config.model.bundle)))[label]


def test_a_label_is_written_by_the_models_name_and_the_rest_stays(path: Path) -> None:
    before = path.read_text()
    came = kept(path, kettle=0.8)
    assert (came.path, came.backup, came.why) == (path, path.with_name("config.toml.bak"), "")
    assert path.with_name("config.toml.bak").read_text() == before
    assert rule(path, "hiss").on == 0.8
    assert [line for line in before.splitlines() if line not in path.read_text().splitlines()] == []
    assert "kettle]" not in path.read_text()
    assert came.thresholds == {"kettle": 0.8}


def test_only_what_was_changed_is_written(path: Path) -> None:
    assert list(kept(path, hum=0.6).settings) == ["hum"]
    assert configuration.load(path).labels["hiss"].on is None


@pytest.mark.parametrize("on", [0.01, 0.2, 0.35, 0.95, 0.123456])
def test_the_rule_that_was_in_force_is_the_one_that_is_read(on: float, path: Path) -> None:
    tried = rule(path, "hum").retuned(on)
    kept(path, hum=on)
    read = rule(path, "hum")
    assert read.on == on
    assert read.off == pytest.approx(tried.off, rel=0.01)


def test_what_the_file_says_already_is_not_written_again(path: Path) -> None:
    kept(path, hum=0.6)
    path.with_name("config.toml.bak").unlink()
    assert kept(path, hum=0.6) == SaveResult({}, path, thresholds={"hum": 0.6})
    assert not path.with_name("config.toml.bak").exists()


def test_where_there_is_no_file_one_is_made(tmp_path: Path) -> None:
    shipped = bundles.load(bundles.find(bundles.DEFAULT))
    label, path = shipped.labels[0], tmp_path / "new" / "config.toml"
    came = kept(path, msgspec.structs.replace(HELLO, model=shipped.name), **{label: 0.66})
    assert (came.path, came.backup) == (path, None)
    assert configuration.load(path).labels[label].on == 0.66


def test_a_file_that_cannot_be_written_leaves_the_lines_by_the_models_names(path: Path) -> None:
    path = path.rename(path.with_name("c" * 250))  # for what is written beside it that is too long, also for root
    before = path.read_text()
    came = kept(path, kettle=0.8)
    assert came.path is None
    assert came.lines[:2] == ["[labels.hiss]", "on = 0.8"]
    assert str(path) in came.why
    assert path.read_text() == before


def test_without_a_place_the_lines_are_as_they_were_told() -> None:
    def elsewhere(_hello: Hello) -> Path:
        raise ConfigError("it is on another machine")

    assert save(elsewhere, GREETING, {"kettle": 0.8}) == SaveResult(
        {"kettle": {"on": 0.8}}, why="it is on another machine"
    )


def test_a_file_for_another_model_is_left_alone(path: Path) -> None:
    came = kept(path, msgspec.structs.replace(GREETING, model="home-9"), hum=0.6)
    assert came.path is None
    assert "tiny" in came.why
    assert "home-9" in came.why


def test_a_label_that_the_file_calls_otherwise_by_now_is_left_alone(path: Path) -> None:
    before = path.read_text()
    came = kept(path, hiss=0.6, hum=0.6)
    assert "'hiss'" in came.why
    assert path.read_text() == before
