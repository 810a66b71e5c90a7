"""`listener test-alarm` sends a marked event through the sinks of a daemon, and prints what became of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Listener, Started, code
from tests.receiver import Server, answers
from tests.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.slow]

CONFIG = """
[daemon]
socket = "{folder}/s"

[[source]]
kind = "command"
command = ["sleep", "600"]

[[sink]]
kind = "log"
path = "{folder}/all.jsonl"

[[sink]]
kind = "log"
path = "{folder}/rain.jsonl"
when = {{ labels = ["rain"] }}

[[sink]]
kind = "webhook"
url = "{url}"
"""


@pytest.fixture
def receiver() -> Iterator[Server]:
    """A server that takes every request."""
    server = Server(answers(200))
    yield server
    server.end()


def run(folder: Path, started: Started, url: str) -> str:
    """Start a daemon; return the address of its socket."""
    (folder / "c.toml").write_text(CONFIG.format(folder=folder, url=url))
    started("run", "--plain", "--config", folder / "c.toml")
    eventually((folder / "s").exists)
    return f"unix:{folder}/s"


def test_every_sink_gets_a_marked_event_unless_its_filter_excludes_it(
    tmp_path: Path, started: Started, listener: Listener, receiver: Server
) -> None:
    address = run(tmp_path, started, receiver.url)
    done = listener("test-alarm", "Siren", "--connect", address)
    assert done.returncode == 0, done.stdout + done.stderr
    found = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert found["log 1"] == found["webhook"] == "delivered"
    assert found["log 2"] != "delivered"
    start, end = (json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines())
    assert [(line["label"], line["source"], line["phase"]) for line in (start, end)] == [
        ("siren", "test", "start"),
        ("siren", "test", "end"),
    ]
    assert start["id"] == end["id"]
    assert not (tmp_path / "rain.jsonl").exists() or not (tmp_path / "rain.jsonl").read_text()


def test_a_sink_that_fails_is_named_and_the_status_is_1(
    tmp_path: Path, started: Started, listener: Listener, receiver: Server
) -> None:
    receiver.behaviours = [answers(400)]
    done = listener("test-alarm", "--connect", run(tmp_path, started, receiver.url))
    found = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert (done.returncode, found["log 1"]) == (1, "delivered")
    assert found["webhook"] != "delivered"
    assert "smoke_alarm" in (tmp_path / "all.jsonl").read_text()


def test_an_unknown_label_is_refused(tmp_path: Path, started: Started, listener: Listener, receiver: Server) -> None:
    done = listener("test-alarm", "sirn", "--connect", run(tmp_path, started, receiver.url))
    assert (done.returncode, code(done.stderr)) == (2, "client-refused")
