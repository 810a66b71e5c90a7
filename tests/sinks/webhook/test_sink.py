"""The webhook over real HTTP: to a receiver that takes, refuses, hangs, floods, moves, goes away and comes back."""

import hashlib
import hmac
import json
import logging
import os
import ssl
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from listener import config as configuration
from listener import messages
from listener.base.incidents import IncidentLog
from listener.errors import ConfigError
from listener.sinks.webhook.http import judged
from listener.sinks.webhook.sender import MAX_FAILING_S, Answer, Sender
from listener.sinks.webhook.sink import Webhook, WebhookConfig
from listener.storage.spool import open_spool
from tests.raising import raises
from tests.receiver import Behaviour, Server, answers, breaks_off, floods, hangs, trickles
from tests.sinks.messages import HELLO, event
from tests.waiting import eventually

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "webhooks.md"
Opened = Callable[..., Webhook]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of a test. A proxy of this machine has no part in it."""
    folder = tmp_path / "state"
    monkeypatch.setenv("STATE_DIRECTORY", str(folder))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return folder


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(*behaviours: Behaviour, port: int = 0) -> Server:
        servers.append(Server(*(behaviours or (answers(200),)), port=port))
        return servers[-1]

    yield make
    for server in servers:
        server.end()


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Makes webhooks that are closed at the end."""
    sinks: list[Webhook] = []

    def make(url: str, **config: Any) -> Webhook:
        usual: dict[str, Any] = {"longest_pause_s": 0.05, "timeout_s": 5.0}
        sink = Webhook(WebhookConfig(url=url, **usual | config), HELLO)
        sink.open()
        sinks.append(sink)
        return sink

    yield make
    for sink in sinks:
        sink.close()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def emptied(sink: Webhook) -> None:
    eventually(lambda: not sink.waiting, "nothing waits any more")


def test_an_event_is_posted_as_json_once_at_its_first_line(serve: Callable[..., Server], opened: Opened) -> None:
    server = serve()
    sink = opened(server.url)
    said = [event(seq=1, phase="update"), event(seq=2, phase="end", end_s=13.0), event(9)]
    for line in said:
        sink.emit(line)
    server.heard(2)
    emptied(sink)
    assert [messages.decode(body) for _, _, body in server.requests] == [said[0], said[2]]
    path, headers, _ = server.requests[0]
    assert path == "/hooks/s3cret?key=s3cret"
    assert (headers["content-type"], headers["user-agent"]) == ("application/json", f"listener/{HELLO.version}")
    assert "x-listener-signature" not in headers


def test_each_phase_posts_every_line_in_order(serve: Callable[..., Server], opened: Opened) -> None:
    server = serve()
    sink = opened(server.url, each_phase=True)
    for seq, phase in enumerate(("start", "update", "end")):
        sink.emit(event(seq=seq, phase=phase))
    server.heard(3)
    assert [json.loads(body)["phase"] for _, _, body in server.requests] == ["start", "update", "end"]


def test_the_signature_is_the_hmac_of_the_body(serve: Callable[..., Server], opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush hush\n")
    server = serve()
    opened(server.url, secret_file=str(tmp_path / "secret")).emit(event(label="sirène"))
    server.heard(1)
    _, headers, body = server.requests[0]
    signature = headers["x-listener-signature"]
    assert signature == "sha256=" + hmac.new(b"hush hush", body, hashlib.sha256).hexdigest()
    documented: dict[str, Any] = {}
    exec(DOCUMENTATION.read_text().split("```python")[1].split("```")[0], documented)
    assert documented["genuine"](body, signature, b"hush hush")
    assert not documented["genuine"](body + b" ", signature, b"hush hush")


def test_the_documentation_is_a_configuration() -> None:
    blocks = DOCUMENTATION.read_text().split("```toml")[1:]
    tables = [table for block in blocks for table in tomllib.loads(block.split("```")[0])["sink"]]
    parts = [configuration.part("sink", table) for table in tables]
    made = [part.factory(part.config, HELLO) for part in parts if part.kind == "webhook"]
    assert [type(sink) for sink in made] == [Webhook, Webhook, Webhook]


def test_token_and_headers_are_sent_and_credentials_come_from_systemd(
    serve: Callable[..., Server], opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "ntfy-token").write_text("tk_1\n")
    server = serve()
    opened(server.url, token_file="ntfy-token", headers={"X-Room": "küche", "User-Agent": "me"}).emit(event())
    server.heard(1)
    _, headers, _ = server.requests[0]
    assert headers["authorization"] == "Bearer tk_1"
    assert headers["x-room"].encode("latin-1").decode() == "küche"
    assert headers["user-agent"] == "me"


@pytest.mark.parametrize(
    ("template", "body"),
    [
        ("ntfy", {"topic": "alarms", "title": "Dog bark", "message": "a<b, 12.5 s, score 0.97", "tags": ["dog_bark"]}),
        ("slack", {"text": "*Dog bark*: a&lt;b, 12.5 s, score 0.97"}),
        (
            "discord",
            {"content": "**Dog bark**: a<b, 12.5 s, score 0.97", "allowed_mentions": {"parse": []}},
        ),
    ],
)
def test_a_template_is_what_its_receiver_takes(
    serve: Callable[..., Server], opened: Opened, template: str, body: dict[str, Any]
) -> None:
    server = serve()
    opened(f"http://127.0.0.1:{server.port}/alarms?auth=x", template=template).emit(event(source="a<b"))
    server.heard(1)
    path, _, sent = server.requests[0]
    assert path == ("/?auth=x" if template == "ntfy" else "/alarms?auth=x")
    assert json.loads(sent) == body


def test_the_end_of_an_event_is_told_as_one(serve: Callable[..., Server], opened: Opened) -> None:
    server = serve()
    opened(server.url, template="slack").emit(event(phase="end", end_s=15.7))
    server.heard(1)
    assert json.loads(server.requests[0][2]) == {"text": "*Dog bark ended*: kitchen, 12.5 s, 3.2 s, score 0.97"}


@pytest.mark.parametrize("behaviour", [answers(500), answers(503), answers(408), answers(429), breaks_off])
def test_what_may_pass_is_tried_again_until_it_is_taken_in_order(
    serve: Callable[..., Server], opened: Opened, caplog: pytest.LogCaptureFixture, behaviour: Behaviour
) -> None:
    caplog.set_level(logging.INFO)
    server = serve(behaviour, behaviour, behaviour, answers(200))
    sink = opened(server.url)
    for number in range(3):
        sink.emit(event(number))
    server.heard(6)
    emptied(sink)
    assert server.ids == ["e0", "e0", "e0", "e0", "e1", "e2"]
    assert len(warnings(caplog)) == 1
    assert "takes events again" in caplog.text
    assert sink.lost == 0


@pytest.mark.parametrize("behaviour", [hangs, trickles])
def test_what_takes_too_long_in_all_is_cut_off_and_tried_again(
    serve: Callable[..., Server], opened: Opened, caplog: pytest.LogCaptureFixture, behaviour: Behaviour
) -> None:
    server = serve(behaviour, answers(204))
    opened(server.url, timeout_s=0.25).emit(event())
    server.heard(2)
    assert 0.2 < server.at[1] - server.at[0] < 1.5
    assert "gave no whole answer in 0.25 s" in caplog.text


def test_a_receiver_that_asks_to_be_left_alone_is(serve: Callable[..., Server], opened: Opened) -> None:
    server = serve(answers(429, retry_after="1"), answers(200))
    opened(server.url).emit(event())
    server.heard(2)
    assert server.at[1] - server.at[0] > 0.99


def test_retry_after_may_be_a_date_and_is_capped() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < judged(503, soon).after_s <= 100
    assert judged(503, "86400").after_s == 3600


@pytest.mark.parametrize("after", ["soon", "-5", "", "9" * 5000, "Thu, 99 Foo 2026 00:00:00 GMT", "NaN"])
def test_nonsense_in_retry_after_harms_nothing(after: str) -> None:
    assert 0 <= judged(429, after).after_s <= 3600


def test_a_gigabyte_of_answer_is_not_read(serve: Callable[..., Server], opened: Opened) -> None:
    server = serve(floods, answers(200))
    sink = opened(server.url)
    sink.emit(event(0))
    sink.emit(event(1))
    server.heard(2)
    emptied(sink)
    assert server.ids == ["e0", "e1"]
    assert server.flooded < 32 << 20  # type: ignore[attr-defined] # what sockets hold between the two


def test_a_redirect_is_not_followed_and_named(
    serve: Callable[..., Server], opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = serve()
    server = serve(answers(301, location=elsewhere.url), answers(200))
    sink = opened(server.url)
    sink.emit(event(0))
    sink.emit(event(1))
    server.heard(2)
    emptied(sink)
    assert server.ids == ["e0", "e1"]
    assert not elsewhere.requests
    assert len(warnings(caplog)) == 1
    assert "status 301" in warnings(caplog)[0]


def test_what_is_refused_is_dropped_counted_and_said_once(
    serve: Callable[..., Server], opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(answers(401), answers(401), answers(404), answers(200))
    sink = opened(server.url)
    for number in range(4):
        sink.emit(event(number))
    server.heard(4)
    emptied(sink)
    assert sink.lost == 3
    assert len(warnings(caplog)) == 1
    assert "refuses with status 401 (check token_file)" in warnings(caplog)[0]


def test_no_secret_is_in_the_log(
    serve: Callable[..., Server], opened: Opened, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "token").write_text("s3cret-token")
    server = serve(answers(500), answers(403), breaks_off, answers(302, location="/s3cret"), answers(200))
    sink = opened(server.url, token_file=str(tmp_path / "token"), headers={"X-Key": "s3cret"})
    for number in range(3):
        sink.emit(event(number))
    server.heard(5)
    emptied(sink)
    gone = serve()
    gone.end()
    opened(gone.url).emit(event())
    eventually(lambda: "cannot be reached" in caplog.text, "it is said")
    assert "s3cret" not in caplog.text


def test_lines_wait_over_a_restart_and_go_out_in_order(
    serve: Callable[..., Server], opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    gone = serve()
    gone.end()
    first = opened(gone.url)
    for number in range(3):
        first.emit(event(number))
    eventually(lambda: "cannot be reached" in caplog.text, "it is said")
    first.close()
    server = serve(port=gone.port)
    second = opened(gone.url)
    second.emit(event(3))
    server.heard(4)
    emptied(second)
    assert server.ids == ["e0", "e1", "e2", "e3"]


def test_what_is_too_many_is_dropped_oldest_first(serve: Callable[..., Server], opened: Opened) -> None:
    gone = serve()
    gone.end()
    sink = opened(gone.url, most_waiting=2)
    for number in range(5):
        sink.emit(event(number))
    assert (sink.waiting, sink.lost) == (2, 3)


def test_two_sinks_of_one_address_need_names_and_send_each_their_own(
    serve: Callable[..., Server], opened: Opened
) -> None:
    server = serve()
    sinks = [opened(server.url), opened(server.url, name="second")]
    with raises("spool-in-use"):
        opened(server.url)
    for number, sink in enumerate(sinks):
        sink.emit(event(number))
    server.heard(2)
    for sink in sinks:
        emptied(sink)
        sink.close()
    assert sorted(server.ids) == ["e0", "e1"]


def test_closing_sends_what_waits_for_a_receiver_that_is_there(serve: Callable[..., Server], opened: Opened) -> None:
    server = serve()
    sink = opened(server.url)
    for number in range(5):
        sink.emit(event(number))
    sink.close()
    assert server.ids == [f"e{number}" for number in range(5)]


@pytest.mark.parametrize("behaviour", [trickles, answers(429, retry_after="600")])
def test_closing_is_quick_whatever_the_receiver_does_and_keeps_what_waits(
    serve: Callable[..., Server], opened: Opened, behaviour: Behaviour
) -> None:
    server = serve(behaviour, answers(200))
    sink = opened(server.url, timeout_s=60)
    sink.emit(event(0))
    sink.emit(event(1))
    server.heard(1)
    began = time.monotonic()
    sink.close()
    sink.close()
    assert time.monotonic() - began < 1.0
    opened(server.url)
    server.heard(3)
    assert server.ids == ["e0", "e0", "e1"]


def test_what_waits_behind_a_request_that_hangs_is_there_for_the_sink_that_follows(tmp_path: Path) -> None:
    asked, answered = threading.Event(), threading.Event()

    class Hanging:
        def deliver(self, _line: bytes) -> Answer:
            asked.set()
            answered.wait(20)
            return Answer("later")

        def abort(self) -> None:
            """A look-up of a name cannot be cut off."""

    with ExitStack() as held:
        spool = open_spool(tmp_path, "webhook-x", held)
        sender = Sender(
            spool, Hanging(), held.pop_all(), IncidentLog("webhook x", logging.getLogger()), longest_pause_s=60
        )
    sender.start()
    sender.put(b"a line")
    assert asked.wait(5)
    sender.close()
    with ExitStack() as held:
        following = open_spool(tmp_path, "webhook-x", held)
        answered.set()
        assert [line for _, line in following.first(5)] == [b"a line"]


def test_an_event_at_which_the_receiver_fails_for_long_does_not_block_the_next(tmp_path: Path) -> None:
    taken: SimpleQueue[bytes] = SimpleQueue()
    now = 0.0

    class Failing:
        def deliver(self, line: bytes) -> Answer:
            nonlocal now
            now += MAX_FAILING_S / 2
            if line == b"poison":
                return Answer("failing", "answers with status 500")
            taken.put(line)
            return Answer("taken")

        def abort(self) -> None: ...

    with ExitStack() as held:
        spool = open_spool(tmp_path, "webhook-x", held)
        incidents = IncidentLog("webhook x", logging.getLogger())
        sender = Sender(spool, Failing(), held.pop_all(), incidents, longest_pause_s=0.01, clock=lambda: now)
    sender.start()
    sender.put(b"poison")
    sender.put(b"good")
    assert taken.get(timeout=10) == b"good"
    assert sender.refused == 1
    sender.close()


@pytest.mark.parametrize(("status", "kind"), [(500, "failing"), (502, "later"), (503, "later"), (429, "later")])
def test_a_failing_receiver_is_told_from_one_that_is_away(status: int, kind: str) -> None:
    assert judged(status, "").kind == kind


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of our own for 127.0.0.1, and its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    try:
        subprocess.run([*made, *subject, "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl here")
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def test_a_stranger_with_a_certificate_is_not_trusted_unless_it_is_named(
    serve: Callable[..., Server], opened: Opened, certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = server.url.replace("http:", "https:")
    stranger = opened(url)
    stranger.emit(event())
    eventually(lambda: "is not trusted" in caplog.text, "it is said")
    assert "ca_file" in caplog.text
    stranger.close()
    assert not server.requests
    trusting = opened(url, ca_file=f"{certificate}.crt")
    server.heard(1)
    emptied(trusting)


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({}, "webhook-url"),
        ({"url": "example.org/hook"}, "webhook-url"),
        ({"url": "ftp://example.org/hook"}, "webhook-url"),
        ({"url": "https://"}, "webhook-url"),
        ({"url": "http://[::1/x"}, "webhook-url"),
        ({"url": "http://example.org:port/"}, "webhook-url"),
        ({"url": "https://ntfy.sh/", "template": "ntfy"}, "webhook-url"),
        ({"url": "http://x.org", "headers": {"a b": "c"}}, "webhook-header"),
        ({"url": "http://x.org", "headers": {"Content-Length": "7"}}, "webhook-header"),
        ({"url": "http://x.org", "headers": {"a": "b\r\nc: d"}}, "webhook-header"),
    ],
)
def test_what_can_never_be_sent_is_refused_at_once(config: dict[str, Any], code: str) -> None:
    with raises(code):
        Webhook(WebhookConfig(**config), HELLO)


@pytest.mark.parametrize(
    ("key", "content", "says"),
    [
        ("token_file", None, "token_file"),
        ("token_file", "two\nlines", "token_file"),
        ("secret_file", " \n", "secret_file"),
        ("ca_file", "no certificate", "ca_file"),
        ("ca_file", None, "ca_file"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_when_it_opens(
    tmp_path: Path, key: str, content: str | None, says: str
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_text(content)
    config: dict[str, Any] = {key: str(path)}
    sink = Webhook(WebhookConfig(url="http://127.0.0.1:9/", **config), HELLO)
    with pytest.raises(ConfigError, match=says):
        sink.open()
    sink.close()


def test_a_state_folder_that_cannot_be_made_is_named(state: Path) -> None:
    state.write_text("a file in its place")
    sink = Webhook(WebhookConfig(url="http://127.0.0.1:9/"), HELLO)
    with raises("spool-unwritable"):
        sink.open()


def test_without_httpx_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['httpx'] = None\n"
        "from listener.base import registry\n"
        "from tests.sinks.messages import HELLO\n"
        "webhook = registry.sink('webhook')\n"
        "webhook(webhook.Config(url='https://example.org/hook'), HELLO)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ)
    assert "listener.errors.ConfigError: httpx is not installed" in done.stderr
    assert "pip install 'listener[webhook]'" in done.stderr
