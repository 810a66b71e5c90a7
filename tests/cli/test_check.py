"""`listener check` finds what is wrong with a configuration, and prints what would run."""

from pathlib import Path

import pytest

from tests.cli.conftest import Listener

pytestmark = pytest.mark.system


def test_check_says_what_would_run(listener: Listener) -> None:
    done = listener("check")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["source", "microphone", "microphone"] in lines
    assert ["group", "alarm:", "smoke_alarm,", "co_alarm,", "alarm"] in lines
    assert "note" not in done.stdout


def test_check_says_who_cannot_find_a_daemon_without_a_socket(tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text("[daemon]\nsocket = false\n")
    done = listener("check", "--config", tmp_path / "c.toml")
    assert done.returncode == 0, done.stderr
    assert "\nnote " in done.stdout


def test_a_label_that_the_model_lacks_is_an_error_for_check(tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text("[labels.dog_brk]\non = 0.5\n")
    done = listener("check", "--config", tmp_path / "c.toml")
    assert done.returncode == 2
    assert "'dog_bark'" in done.stderr


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[[source]]\nkind = 'file'", "path"),
        ("[[source]]\nkind = 'command'", "command"),
        ("[daemon]\ntcp = '0.0.0.0:80'", "token_file"),
        ("[labels.rain]\non = 0.2", "labels.rain"),
    ],
)
def test_check_finds_what_run_would_refuse(text: str, names: str, tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text(text)
    for command in ("check", "run"):
        done = listener(command, "--config", tmp_path / "c.toml")
        assert done.returncode == 2
        assert names in done.stderr
        assert f"{tmp_path / 'c.toml'}:" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "[model]\nbundle = '~no-such-user/b'",
        "[[source]]\nkind = 'file'\npath = '~no-such-user/s.wav'",
        "[[sink]]\nkind = 'log'\npath = '~no-such-user/l.jsonl'",
        "[daemon]\nsocket = '~no-such-user/l.sock'",
        "[[sink]]\nkind = 'command'\nrun = ['~no-such-user/notify']",
        "[[sink]]\nkind = 'webhook'\nurl = 'https://localhost'\nca_file = '~no-such-user/ca.pem'",
        "[[sink]]\nkind = 'web'\nconfig = '~no-such-user/c.toml'",
    ],
)
def test_the_home_of_nobody_is_an_error_with_a_remedy(text: str, tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text(text)
    done = listener("check", "--config", tmp_path / "c.toml")
    assert done.returncode == 2
    assert "~no-such-user" in done.stderr


def test_check_says_everything_that_parts_lack_or_want_twice(tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "c.toml").write_text(
        '[[source]]\nkind = "file"\npath = "/nowhere.wav"\n'
        '[[sink]]\nkind = "webhook"\nurl = "http://localhost/"\ntoken_file = "/nowhere/token"\n'
        '[[sink]]\nkind = "history"\nclips = ["dog_brk"]\n'
        '[[sink]]\nkind = "mqtt"\ndiscovery_labels = ["alrm"]\n'
        '[[sink]]\nkind = "command"\nrun = ["/nowhere.sh"]\n'
        f'[[sink]]\nkind = "log"\npath = "{tmp_path}/a.log"\n[[sink]]\nkind = "log"\npath = "{tmp_path}/a.log"\n'
        '[[sink]]\nkind = "prometheus"\n[[sink]]\nkind = "prometheus"\n'
    )
    done = listener("check", "--config", tmp_path / "c.toml")
    wanted = [
        ("source 1 (file)", "/nowhere.wav"),
        ("sink 1 (webhook)", "/nowhere/token"),
        ("sink 2 (history)", "'dog_bark'"),
        ("sink 3 (mqtt)", "'alarm'"),
        ("sink 4 (command)", "/nowhere.sh"),
        ("sink 6 (log)", "sink 5 (log)"),
        ("sink 8 (prometheus)", "sink 7 (prometheus)"),
    ]
    assert done.returncode == 2
    for part, names in wanted:
        assert part in done.stderr
        assert names in done.stderr


def test_two_labels_may_not_be_reported_under_one_name(listener: Listener) -> None:
    done = listener("check", "--set", "labels.dog_bark.name=rooster")
    assert done.returncode == 2
    assert "labels.dog_bark.name" in done.stderr
