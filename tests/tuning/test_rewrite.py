"""A configuration is changed in place: comments, order, mode and links stay, whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from listener import config as configuration
from listener.errors import ConfigError
from listener.tuning.proposals import Proposal
from listener.tuning.rewrite import rewritten, write

OURS = """\
# my listener
[gate]      # of the kitchen
rise_db = 9.0  # was too much

[[source]]
kind = "microphone"  # the USB one

[labels.rain]
name = "wet"
"""
PROPOSALS = [
    Proposal(("gate", "rise_db"), 15.0, 9.0, ""),
    Proposal(("gate", "kind"), "bands", "either", ""),
    Proposal(("labels", "dog_bark", "on"), 0.961, 0.88, ""),
    Proposal(("labels", "rain", "on"), 0.8, 0.7, ""),
]


def test_comments_and_order_stay_and_the_settings_are_there(tmp_path: Path) -> None:
    text = rewritten(OURS, PROPOSALS)
    for line in ("# my listener", "[gate]      # of the kitchen", "rise_db = 15.0  # was too much"):
        assert line in text.splitlines()
    assert text.index("[gate]") < text.index("[[source]]") < text.index("[labels.rain]")
    (tmp_path / "c.toml").write_text(text)
    config = configuration.load(tmp_path / "c.toml")
    assert (config.gate.rise_db, config.gate.kind) == (15.0, "bands")
    assert (config.labels["dog_bark"].on, config.labels["rain"].on, config.labels["rain"].name) == (0.961, 0.8, "wet")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing but a comment",
        "gate = {kind = 'either'}\n",
        "gate.kind = 'either'\nlabels.rain.on = 0.6\n",
        "[labels]\ndog_bark = {on = 0.9}\n",
        "[[sink]]\nkind = 'console'\n[sink.when]\nlabels = ['rain']\n",
        configuration.defaults(),
    ],
)
def test_however_a_configuration_is_written_it_is_right_afterwards(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(rewritten(text, PROPOSALS))
    config = configuration.load(tmp_path / "c.toml")
    assert (config.gate.kind, config.labels["dog_bark"].on, config.labels["rain"].on) == ("bands", 0.961, 0.8)


@pytest.mark.parametrize(
    "text",
    ["labels = {dog_bark = {on = 0.9}}\n", "labels.dog_bark.on = 0.9\ngate.kind = 'bands'\n", "labels = 3\n"],
)
def test_what_it_cannot_be_written_into_is_left_to_its_owner(text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        write(path, [Proposal(("labels", "rain", "on"), 0.8, 0.7, "")])
    assert caught.value.code == "save-layout"
    assert path.read_text() == text


def test_the_file_as_it_was_is_kept_beside_it_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(OURS)
    path.chmod(0o600)
    backup = write(path, PROPOSALS)
    assert backup == tmp_path / "config.toml.bak"
    assert backup.read_text() == OURS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["config.toml", "config.toml.bak"]


def test_every_next_time_the_first_stays_and_at_last_the_last_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(OURS)
    names = []
    for number in range(12):
        backup = write(path, [Proposal(("gate", "rise_db"), 10.0 + number, 9.0, "")])
        assert backup
        names.append(backup.name)
    numbered = [f"config.toml.bak.{number}" for number in range(1, 10)]
    assert names == ["config.toml.bak", *numbered, numbered[-1], numbered[-1]]
    assert (tmp_path / "config.toml.bak").read_text() == OURS
    assert configuration.load(tmp_path / "config.toml.bak.8").gate.rise_db == 17.0
    assert configuration.load(tmp_path / "config.toml.bak.9").gate.rise_db == 20.0


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles" / "listener.toml").write_text(OURS)
    (tmp_path / "config.toml").symlink_to(tmp_path / "dotfiles" / "listener.toml")
    write(tmp_path / "config.toml", PROPOSALS)
    assert (tmp_path / "config.toml").is_symlink()
    assert "0.961" in (tmp_path / "dotfiles" / "listener.toml").read_text()


def test_where_there_was_none_one_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.toml"
    assert write(path, PROPOSALS) is None
    assert configuration.load(path).gate.rise_db == 15.0


def test_what_would_not_be_right_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(OURS)
    with pytest.raises(ConfigError, match=rf"^{path}.*gate\.rise_db"):
        write(path, [Proposal(("gate", "rise_db"), 400.0, 9.0, "")])
    assert path.read_text() == OURS
    assert [each.name for each in tmp_path.iterdir()] == ["config.toml"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(OURS)
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError) as caught:
        write(path, PROPOSALS)
    assert caught.value.code == "save-unwritable"
