"""Each sink can reach its receiver, or the reason is reported; receivers get nothing from the check."""

import errno
import os
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest

from listener import config as configuration
from listener.base.requirements import SQLITE_MAGIC as MAGIC
from listener.config import Config
from listener.doctor import sinks as sink_checks
from listener.doctor.finding import Check, Finding, Severity, run_checks
from listener.sinks.prometheus import Prometheus, PrometheusConfig
from listener.sinks.socket.sink import SocketConfig, SocketServer
from tests.broker import MOSQUITTO, Broker, Client, free_port
from tests.receiver import Server, answers
from tests.sinks.messages import HELLO

needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="no mosquitto on this machine (make test installs it)")


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def looked_at(kind: str, **settings: Any) -> list[Finding]:
    config = with_sinks({"kind": kind, **settings})
    return list(sink_checks.sink(kind, config.sinks[0], config))


def with_sinks(*tables: dict[str, Any]) -> Config:
    return replace(configuration.load(None), sinks=tuple(configuration.part("sink", table) for table in tables))


def failing(kind: str, **settings: Any) -> str:
    """Return the problem that ends the check, as the doctor shows it."""
    config = with_sinks({"kind": kind, **settings})
    (found,) = run_checks([[Check(kind, lambda: sink_checks.sink(kind, config.sinks[0], config), 30.0)]])
    assert found.level is Severity.PROBLEM
    return f"{found.text} {found.remedy}"


@needs_mosquitto
def test_a_broker_that_accepts_us_is_good_and_gets_no_message(broker: Broker) -> None:
    client = Client(broker, "#")
    (found,) = looked_at("mqtt", **broker.settings())
    client.publish("last", b"!")
    client.gets("last", b"!")
    assert (found.level, found.code) == (Severity.OK, "sink-reached")
    assert f"localhost:{broker.port}" in found.text
    assert [topic for topic, _, _, _ in client.messages] == ["last"]
    client.close()


@needs_mosquitto
def test_a_client_with_our_name_is_not_disconnected(broker: Broker) -> None:
    client = Client(broker, "#", name="listener-here")
    looked_at("mqtt", **broker.settings(client_id="listener-here"))
    client.publish("still", b"here")
    client.gets("still", b"here", 2)
    client.close()


@needs_mosquitto
def test_a_broker_that_refuses_the_password_is_a_problem(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("wrong")
    assert "password_file" in failing("mqtt", **broker.settings(password_file=str(tmp_path / "wrong")))


@pytest.mark.parametrize("kind", ["mqtt", "webhook"])
def test_a_receiver_that_is_away_is_a_problem(kind: str) -> None:
    port = free_port()
    where = {"mqtt": {"host": "127.0.0.1", "port": port}, "webhook": {"url": f"http://127.0.0.1:{port}/"}}
    assert str(port) in failing(kind, **where[kind])


def test_a_receiver_is_connected_to_and_gets_no_request() -> None:
    receiver = Server(answers(200))
    (found,) = looked_at("webhook", url=receiver.url)
    receiver.end()
    assert (found.level, found.code) == (Severity.OK, "sink-reached")
    assert str(receiver.port) in found.text
    assert receiver.requests == []


def test_a_receiver_whose_certificate_is_not_trusted_is_a_problem(authority: Path) -> None:
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_shake_hands, args=(listening, context), daemon=True).start()
        url = f"https://localhost:{listening.getsockname()[1]}/"
        assert "ca_file" in failing("webhook", url=url)
        (found,) = looked_at("webhook", url=url, ca_file=str(authority / "ca.pem"))
        assert "TLSv1.3" in found.text


def _shake_hands(listening: socket.socket, context: Any) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()


def test_a_secret_that_is_missing_is_a_problem_and_a_credential_a_note() -> None:
    (missing,) = looked_at("webhook", url="http://127.0.0.1/", token_file="/nowhere/token")
    (credential,) = looked_at("mqtt", user="listener", password_file="mqtt-password")
    assert (missing.level, missing.code) == (Severity.PROBLEM, "secret-unreadable")
    assert (credential.level, credential.code) == (Severity.NOTE, "sink-credential")


def test_a_program_must_be_there() -> None:
    assert looked_at("command", run=["true"])[0].code == "program-found"
    assert looked_at("command", run=["/nowhere.sh"])[0].code == "program-missing"


def test_a_port_is_free_or_our_own_daemons_or_another_programs() -> None:
    port = free_port()
    settings = {"address": f"127.0.0.1:{port}"}
    assert looked_at("prometheus", **settings)[0].code == "address-free"
    ours = Prometheus(PrometheusConfig(**settings), HELLO)
    ours.open()
    assert looked_at("prometheus", **settings)[0].code == "address-ours"
    ours.close()
    with socket.create_server(("127.0.0.1", port)):
        (found,) = looked_at("prometheus", **settings)
    assert (found.level, found.code) == (Severity.PROBLEM, "address-taken")
    assert os.strerror(errno.EADDRINUSE) in found.text


def test_a_socket_is_free_or_our_own_daemons_or_another_file(tmp_path: Path) -> None:
    path = tmp_path / "listener.sock"
    assert looked_at("socket", path=str(path))[0].code == "address-free"
    server = SocketServer(SocketConfig(path=str(path)), HELLO)
    server.open()
    ours = looked_at("socket", path=str(path))[0]
    assert (ours.code, "process 1)" in ours.text) == ("address-ours", True)
    server.close()
    path.write_text("a file")
    assert looked_at("socket", path=str(path))[0].code == "socket-path-taken"


def test_a_history_opens_or_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    assert looked_at("history", path=str(path))[0].code == "disk-good"
    path.write_bytes(b"this is no database at all, whatever its name says" * 100)
    assert looked_at("history", path=str(path))[0].code == "database-foreign"
    path.write_bytes(MAGIC + b"and what a broken disk made of it" * 100)
    assert str(path) in failing("history", path=str(path))


@pytest.mark.parametrize(("kind", "key"), [("log", "path"), ("history", "path")])
def test_a_fifo_in_place_of_a_file_is_a_problem_and_does_not_block(kind: str, key: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (found,) = looked_at(kind, **{key: str(tmp_path / "fifo")})
    assert (found.level, found.code) == (Severity.PROBLEM, "file-unwritable")


def test_a_name_that_is_no_label_is_a_warning() -> None:
    unknown = looked_at("history", clips=["dog_brk"])[0]
    assert (unknown.level, unknown.code) == (Severity.WARNING, "label-unknown")
    assert "dog_brk" in unknown.text
    assert "dog_bark" in unknown.remedy


def test_two_sinks_that_want_one_thing_are_a_problem(tmp_path: Path) -> None:
    log = {"kind": "log", "path": str(tmp_path / "events.jsonl")}
    (found,) = sink_checks.conflicts(with_sinks(log, log))
    assert (found.level, found.code) == (Severity.PROBLEM, "part-conflict")


def test_a_state_folder_must_be_writable_and_is_not_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert [found.code for found in sink_checks.disk(tmp_path / "new")] == ["disk-good"]
    assert [found.code for found in sink_checks.disk(tmp_path / "file" / "new")] == ["state-folder-unwritable"]
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_disk_that_is_nearly_full_is_a_problem(tmp_path: Path) -> None:
    mounted = tmp_path / "small"
    mounted.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", mounted], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (found,) = sink_checks.disk(mounted / "listener")
    finally:
        subprocess.run(["umount", mounted], check=True)
    assert (found.level, found.code) == (Severity.PROBLEM, "disk-full")
