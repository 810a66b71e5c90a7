"""`listener history`: what a person and a script read of it."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from listener.base.text import plain
from listener.cli.main import main
from listener.cli.times import unix_time
from listener.errors import ConfigError
from listener.messages import wall_clock
from listener.storage.history import History
from tests.cli.conftest import code
from tests.sinks.messages import event

ROOT = Path(__file__).resolve().parents[2]
Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Runs the command with folders of our own; its status, output and errors."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main(["history", *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def local(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def written(path: Path) -> Path:
    """A history of three events."""
    history = History(path, keep_days=36_500, max_mb=100)
    history.open()
    rain, first, second = local("2026-03-01 07:30"), local("2026-03-02 07:45"), local("2026-03-02 22:00")
    history.record(
        event(0, label="rain", start=wall_clock(rain), phase="end", end_s=75.0, end=wall_clock(rain + 62.5), peak=0.6)
    )
    history.record(event(1, start=wall_clock(first), phase="end", end_s=14.5, end=wall_clock(first + 2), source="hall"))
    history.record(event(2, start=wall_clock(second)))
    history.keep_clip("e1", "history-clips/bark.flac", None)
    history.close()
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "state" / "listener" / "history.db")


def test_a_person_gets_a_table_the_latest_last(path: Path, said: Said) -> None:
    status, out, err = said()
    lines = out.splitlines()
    assert (status, err, len(lines)) == (0, "", 4)
    assert lines[1].split()[:5] == ["2026-03-01", "07:30:00", "rain", "1", "min"]
    assert lines[2].split()[-2:] == ["hall", "clip"]
    assert "under way" in lines[3]
    assert path.exists()


def test_a_script_gets_json_lines(path: Path, said: Said) -> None:
    status, out, _ = said("--json")
    rain, bark, open_still = map(json.loads, out.splitlines())
    assert status == 0
    assert (rain["label"], rain["peak"], rain["end_s"], rain["under_way"]) == ("rain", 0.6, 75.0, False)
    assert (open_still["end"], open_still["under_way"]) == (None, True)
    assert bark["clip"] == str(path.parent / "history-clips" / "bark.flac")
    assert bark["start"].endswith("Z")


def test_or_comma_separated_values(path: Path, said: Said) -> None:
    _, out, _ = said("--csv", "--path", path)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["label"] for row in rows] == ["rain", "dog_bark", "dog_bark"]
    assert (rows[0]["end_s"], rows[2]["end_s"]) == ("75.0", "")
    assert [row["under_way"] for row in rows] == ["false", "false", "true"]  # as in JSON


@pytest.mark.parametrize(
    ("flags", "ids"),
    [
        ("--label rain", ["e0"]),
        ("--label rain --label dog_bark", ["e0", "e1", "e2"]),
        ("--label Rain --label dog", ["e0", "e1", "e2"]),
        ("--group nature", ["e0"]),
        ("--group animals --label rain", ["e0", "e1", "e2"]),
        ("--source hall", ["e1"]),
        ("--since 2026-03-02", ["e1", "e2"]),
        ("--since 2026-03-02T08:00", ["e2"]),
        ("--until 2026-03-02T08:00", ["e0", "e1"]),
        ("--min-score 0.9", ["e1", "e2"]),
        ("--limit 1", ["e2"]),
        ("--since 1s", []),
        ("--since -1s", []),
    ],
)
def test_flags_say_which_events(flags: str, ids: list[str], path: Path, said: Said) -> None:
    _, out, _ = said("--json", "--path", path, *flags.split())
    assert [json.loads(line)["id"] for line in out.splitlines()] == ids


def test_a_table_has_the_last_fifty_and_scripts_get_all(tmp_path: Path, said: Said) -> None:
    history = History(tmp_path / "h.db", keep_days=30, max_mb=100)
    history.open()
    for number in range(60):
        history.record(event(number))
    history.close()
    assert len(said("--path", tmp_path / "h.db")[1].splitlines()) == 51
    assert len(said("--path", tmp_path / "h.db", "--json")[1].splitlines()) == 60


def test_counts_are_bars_by_hour_of_the_day(path: Path, said: Said) -> None:
    history = History(path, keep_days=36_500, max_mb=100)
    history.open()
    history.record(event(3, start=wall_clock(local("2026-02-01 22:10"))))
    history.close()
    _, out, _ = said("--counts", "--path", path)
    header, bark, rain = out.splitlines()
    assert bark.split()[:2] == ["dog_bark", "3"]
    begins = header.index("0     6     12")
    assert bark[begins : begins + 24] == " " * 7 + "▄" + " " * 14 + "█" + " "
    assert rain[begins : begins + 24] == " " * 7 + "█" + " " * 16


def test_or_by_day_with_the_days_on_which_nothing_was(path: Path, said: Said) -> None:
    history = History(path, keep_days=36_500, max_mb=100)
    history.open()
    history.record(event(3, label="rain", start=wall_clock(local("2026-03-05 22:10"))))
    history.close()
    _, out, _ = said("--counts", "--by", "day", "--path", path)
    assert "2026-03-01 to 2026-03-05" in out
    assert "█   █" in out


def test_counts_by_day_are_of_all_and_say_that_the_bars_are_not(path: Path, said: Said) -> None:
    history = History(path, keep_days=36_500, max_mb=100)
    history.open()
    history.record(event(3, label="rain", start=wall_clock(local("2026-03-01 09:00"))))
    history.record(event(4, start=wall_clock(local("2026-07-01 22:10"))))
    history.close()
    _, out, _ = said("--counts", "--by", "day", "--path", path)
    _, bark, rain, remark = out.splitlines()
    assert (bark.split()[1], bark.split()[-1]) == ("3", "2")
    assert rain.split() == ["rain", "2", "2"]
    assert "60" in remark


def test_a_name_is_printed_as_it_is(tmp_path: Path, said: Said) -> None:
    history = History(tmp_path / "h.db", keep_days=36_500, max_mb=100)
    history.open()
    history.record(event(source="usb:1234:5678"))
    history.close()
    assert "usb:1234:5678" in said("--path", tmp_path / "h.db")[1]


def test_counts_for_scripts(path: Path, said: Said) -> None:
    _, out, _ = said("--counts", "--json")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"label": "dog_bark", "hour": "07", "count": 1},
        {"label": "dog_bark", "hour": "22", "count": 1},
        {"label": "rain", "hour": "07", "count": 1},
    ]
    _, out, _ = said("--counts", "--csv", "--by", "day", "--label", "rain")
    assert out == "label,day,count\nrain,2026-03-01,1\n"
    assert path.exists()


@pytest.mark.parametrize("flags", ["", "--counts"])
def test_where_nothing_fits_it_says_so(flags: str, path: Path, said: Said) -> None:
    status, out, err = said("--label", "siren", "--path", path, *flags.split())
    assert (status, len(out.splitlines()), err) == (0, 1, "")


@pytest.mark.parametrize("flags", ["--json", "--counts --json"])
def test_but_not_to_a_script(flags: str, path: Path, said: Said) -> None:
    assert said("--label", "siren", "--path", path, *flags.split()) == (0, "", "")


def test_the_configuration_says_where_the_database_is(tmp_path: Path, said: Said) -> None:
    written(tmp_path / "elsewhere.db")
    (tmp_path / "c.toml").write_text(f"[[sink]]\nkind = 'history'\npath = '{tmp_path / 'elsewhere.db'}'\n")
    _, out, _ = said("--config", tmp_path / "c.toml", "--json")
    assert len(out.splitlines()) == 3


def test_where_there_is_none_it_says_what_to_do(tmp_path: Path, said: Said) -> None:
    status, out, err = said()
    assert (status, out) == (2, "")
    assert code(err) == "history-missing"
    assert str(tmp_path / "state" / "listener" / "history.db") in err
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ("--since lately", "cli-time"),
        ("--since -3x", "cli-time"),
        ("--until 5x", "cli-time"),
        ("--since 0001-01-01T00:00", "cli-time"),
        ("--json --csv", "history-options"),
        ("--group animal", "label-unknown"),
        ("--limit 0", "history-limit"),
        ("--limit 99999999999999999999", "history-limit"),
        ("--counts --limit 2", "history-options"),
        ("--by day", "history-options"),
    ],
)
def test_an_option_without_sense_is_refused(flags: str, wanted: str, path: Path, said: Said) -> None:
    status, _, err = said("--path", path, *flags.split())
    assert (status, code(err)) == (2, wanted)


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path, said: Said) -> None:
    (tmp_path / "h.db").write_bytes(b"this is no database" * 100)
    assert said("--path", tmp_path / "h.db")[0] == 1
    assert [path.name for path in tmp_path.glob("h.db*")] == ["h.db"]


@pytest.mark.parametrize("path", [".", "", "/", ".."])
def test_a_folder_is_an_error(path: str, said: Said) -> None:
    status, _, err = said("--path", path)
    assert status == 1
    assert err.startswith(f"listener: {path or '.'} ")


@pytest.mark.parametrize("flags", ["", "--counts", "--json"])
def test_a_reader_that_has_had_enough_is_no_failure(flags: str, path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    line = [sys.executable, "-m", "listener", "history", "--path", str(path), *flags.split()]
    done = subprocess.run(line, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_path_below_the_home_of_nobody_is_a_wrong_flag(said: Said) -> None:
    status, _, err = said("--path", "~nobody-of-that-name/h.db")
    assert status == 2
    assert "~nobody-of-that-name/h.db" in err


def test_what_would_steer_a_terminal_is_written_out(tmp_path: Path, said: Said) -> None:
    history = History(tmp_path / "h.db", keep_days=30, max_mb=100)
    history.open()
    history.record(event(label="\x1b[2Jdog\x9b", source="a\nb\u202e"))
    history.close()
    for flags in ("", "--csv", "--json", "--counts"):
        _, out, _ = said("--path", tmp_path / "h.db", *flags.split())
        assert not {"\x1b", "\x9b", "\u202e"} & set(out)
        assert "dog" in out
    assert plain("[bold]café\t") == "[bold]café\\t"


NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "ago_s"), [("2h", 7200), ("3d ago", 3 * 86_400), ("1h30m", 5400), (" 45s ", 45), ("1.5h", 5400)]
)
def test_a_duration_is_so_long_ago(text: str, ago_s: float) -> None:
    assert unix_time(text, NOW) == NOW - ago_s


def test_a_day_begins_at_midnight_here() -> None:
    today = datetime.fromtimestamp(NOW).replace(hour=0, minute=0, second=0)
    assert unix_time("today", NOW) == today.timestamp()
    assert unix_time("yesterday", NOW) == (today - timedelta(days=1)).timestamp()
    assert unix_time("2026-05-01", NOW) == datetime(2026, 5, 1).timestamp()
    assert unix_time("2026-05-01T12:00+00:00", NOW) == 1_777_636_800.0
    with pytest.raises(ConfigError):
        unix_time("", NOW)


AS_NOBODY = """
import locale, os, sys
import listener.cli.commands.history  # while the interpreter's own files may still be read
from listener.cli.main import main
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user for a while")
@pytest.mark.parametrize("running", [True, False])
def test_a_user_who_may_only_read_can(running: bool, open_folder: Path) -> None:
    history = History(open_folder / "history.db", keep_days=36_500, max_mb=100)
    history.open()
    history.record(event(start=wall_clock(time.time())))
    if not running:
        history.close()
    for path in open_folder.iterdir():
        path.chmod(0o644)  # they are made for the owner and the group alone
    before = sorted(path.name for path in open_folder.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, "history", "--json", "--path", open_folder / "history.db"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["label"] == "dog_bark"
    assert sorted(path.name for path in open_folder.iterdir()) == before
    history.close()


def test_it_reads_beside_a_daemon_that_writes(tmp_path: Path, said: Said) -> None:
    history = History(tmp_path / "h.db", keep_days=30, max_mb=100)
    history.open()
    for number in range(3):
        history.record(event(number))
        assert len(said("--path", tmp_path / "h.db", "--json")[1].splitlines()) == number + 1
    history.close()
