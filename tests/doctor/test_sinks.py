"""Each sink reaches what it is configured for, or says why not; and nobody notices that it was tried."""

import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from listener import config as configuration
from listener.config import Config
from listener.doctor import sinks as sink_checks
from listener.doctor.finding import Finding, Severity
from listener.sinks.prometheus import Prometheus, PrometheusConfig
from listener.sinks.socket.sink import SocketConfig, SocketServer
from listener.storage.sqlite import MAGIC
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
    """The message of the error that ends the check, as the doctor shows it."""
    from listener.doctor.finding import Check, examine

    config = with_sinks({"kind": kind, **settings})
    (found,) = examine([[Check(kind, lambda: sink_checks.sink(kind, config.sinks[0], config), 30.0)]])
    assert found.level is Severity.PROBLEM
    return f"{found.text}; {found.remedy}"


@needs_mosquitto
def test_a_broker_that_lets_us_in_is_well_and_notices_nothing(broker: Broker) -> None:
    client = Client(broker, "#")
    (found,) = looked_at("mqtt", **broker.settings())
    client.publish("last", b"!")
    client.gets("last", b"!")
    assert (found.level, found.text) == (Severity.OK, f"localhost:{broker.port} lets us in as 'listener', with TLS")
    assert [topic for topic, _, _, _ in client.messages] == ["last"]
    client.close()


@needs_mosquitto
def test_a_client_of_our_name_is_not_pushed_out(broker: Broker) -> None:
    client = Client(broker, "#", name="listener-here")
    looked_at("mqtt", **broker.settings(client_id="listener-here"))
    client.publish("still", b"here")
    client.gets("still", b"here", 2)
    client.close()


@needs_mosquitto
def test_a_broker_that_refuses_us_is_a_problem_with_its_reason(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("wrong")
    said = failing("mqtt", **broker.settings(password_file=str(tmp_path / "wrong")))
    assert "the password of 'listener' is refused; check password_file" in said


def test_a_broker_that_is_away_is_a_problem() -> None:
    assert "nobody listens there; start the broker" in failing("mqtt", host="127.0.0.1", port=free_port())


def test_a_receiver_is_connected_to_and_told_nothing() -> None:
    receiver = Server(answers(200))
    (found,) = looked_at("webhook", url=receiver.url)
    receiver.end()
    assert (found.level, found.text) == (Severity.OK, f"127.0.0.1:{receiver.port} answers, without encryption")
    assert receiver.requests == []


def test_a_receiver_whose_certificate_is_not_trusted_is_a_problem(authority: Path) -> None:
    from ssl import PROTOCOL_TLS_SERVER, SSLContext

    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_shake_hands, args=(listening, context), daemon=True).start()
        url = f"https://localhost:{listening.getsockname()[1]}/"
        assert "is not trusted" in failing("webhook", url=url)
        (found,) = looked_at("webhook", url=url, ca_file=str(authority / "ca.pem"))
        assert found.text.endswith("answers with TLSv1.3")


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


def test_a_receiver_that_is_away_is_a_problem() -> None:
    assert "cannot be reached (Connection refused); start the receiver" in failing(
        "webhook", url=f"http://127.0.0.1:{free_port()}/"
    )


def test_a_secret_that_is_missing_is_a_problem_and_a_credential_a_note() -> None:
    (missing,) = looked_at("webhook", url="http://127.0.0.1/", token_file="/nowhere/token")
    (credential,) = looked_at("mqtt", user="listener", password_file="mqtt-password")
    assert (missing.level, "token_file: /nowhere/token cannot be read" in missing.text) == (Severity.PROBLEM, True)
    assert (credential.level, "LoadCredential=" in credential.remedy) == (Severity.NOTE, True)


def test_a_program_must_be_there() -> None:
    assert looked_at("command", run=["true"])[0].level is Severity.OK
    assert looked_at("command", run=["/nowhere.sh"])[0].level is Severity.PROBLEM


def test_a_port_is_free_or_our_own_daemons_or_somebody_elses() -> None:
    port = free_port()
    address = f"127.0.0.1:{port}"
    assert looked_at("prometheus", address=address)[0].text == f"{address} is free"
    ours = Prometheus(PrometheusConfig(address=address), HELLO)
    ours.open()
    assert looked_at("prometheus", address=address)[0].text == f"{address} is held by a running listener"
    ours.close()
    with socket.create_server(("127.0.0.1", port)):
        (found,) = looked_at("prometheus", address=address)
    assert (found.level, found.text) == (Severity.PROBLEM, f"{address} is not to be had (Address already in use)")


def test_a_socket_is_free_or_our_own_daemons_or_something_else(tmp_path: Path) -> None:
    path = tmp_path / "listener.sock"
    assert looked_at("socket", path=str(path))[0].text == f"{path} is free"
    server = SocketServer(SocketConfig(path=str(path)), HELLO)
    server.open()
    assert looked_at("socket", path=str(path))[0].text == f"{path} is held by a running listener (process 1)"
    server.close()
    path.write_text("a file")
    assert looked_at("socket", path=str(path))[0].level is Severity.PROBLEM


def test_a_history_opens_or_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    assert looked_at("history", path=str(path))[0].text.startswith(f"{path} can be written; ")
    path.write_bytes(b"this is no database at all, whatever its name says" * 100)
    assert "is not a database" in failing("history", path=str(path))
    path.write_bytes(MAGIC + b"and what a broken disk made of it" * 100)
    assert "cannot be read" in failing("history", path=str(path))


def test_a_name_that_is_no_label_is_a_warning() -> None:
    assert looked_at("history", clips=["dog_brk"])[0] == Finding(
        "history", Severity.WARNING, "clips: there is no label or group 'dog_brk'", "Did you mean 'dog_bark'?"
    )


def test_two_sinks_that_want_one_thing_are_a_problem(tmp_path: Path) -> None:
    log = {"kind": "log", "path": str(tmp_path / "events.jsonl")}
    (found,) = sink_checks.together(["sink 1", "sink 2"], with_sinks(log, log))
    assert found.level is Severity.PROBLEM
    assert "sink 1" in found.text


def test_a_state_folder_is_made_where_it_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert [found.level for found in sink_checks.disk(tmp_path / "new")] == [Severity.OK]
    assert [found.level for found in sink_checks.disk(tmp_path / "file" / "new")] == [Severity.PROBLEM]
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(subprocess.run(["id", "-u"], capture_output=True, check=True).stdout != b"0\n", reason="not root")
def test_a_disk_that_is_nearly_full_is_said(tmp_path: Path) -> None:
    mounted = tmp_path / "small"
    mounted.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", mounted], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (found,) = sink_checks.disk(mounted / "listener")
    finally:
        subprocess.run(["umount", mounted], check=True)
    assert found.level is Severity.PROBLEM
    assert "nearly full: 8 MB free" in found.text
