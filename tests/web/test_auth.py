"""Who may ask what, and that a stranger cannot keep others out."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
from starlette.types import Message

from listener.base import addresses
from listener.errors import ConfigError
from listener.storage.history import History
from listener.web import server
from listener.web.auth import FRAMED, HEADERS, WRONG_AT_ONCE, WRONG_S, AccessControl
from tests.waiting import eventually
from tests.web.conftest import Daemon, Impatient, Start, browser

TOKEN = b"0123456789abcdef"
BEARER = {"Authorization": f"Bearer {TOKEN.decode()}"}
HOST = b"Host: 127.0.0.1\r\n"
UNFINISHED = (b"", b"GET / HTTP/1.1\r\n" + HOST, b"POST /login HTTP/1.1\r\nOrigin: http://127.0.0.1\r\n" + HOST)


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/api/history", "/nothing"])
def test_every_answer_has_the_headers_that_protect_it(page: httpx.Client, path: str) -> None:
    answer = page.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "'unsafe-inline'" not in answer.headers["content-security-policy"]


def test_only_the_ingress_of_home_assistant_may_frame_the_page(page: httpx.Client) -> None:
    answer = page.get("/", headers={"X-Ingress-Path": "/api/hassio_ingress/abc"})
    assert {name: answer.headers[name] for name in FRAMED} == FRAMED


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8787", "127.0.0.1.evil.example", ""])
def test_a_name_that_was_rebound_to_this_machine_is_refused(page: httpx.Client, host: str) -> None:
    assert page.get("/page/main.js", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "Listener.LAN"])
@pytest.mark.parametrize("rest", [":80/login?", "/login?:80", ":80/page/style.css?", ":80#", ":80\\", ":http"])
def test_a_host_with_more_than_a_name_and_a_port_is_refused(start: Start, name: str, rest: str) -> None:
    with browser(start(TOKEN, ("Listener.LAN",))) as page:
        assert page.get("/page/main.js", headers={"Host": name + rest}).status_code == 400


@pytest.mark.parametrize("host", ["localhost:8787", "[::1]:8787", "192.168.1.7", "listener.lan", "kitchen-pi.local"])
def test_an_address_and_a_configured_name_are_accepted(start: Start, host: str) -> None:
    with browser(start(names=("listener.lan", "Kitchen-Pi.local."))) as page:
        assert page.get("/page/main.js", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://127.0.0.1:1", "https://HERE", "ftp://HERE", "HERE"]
)
def test_a_page_of_another_site_or_scheme_changes_nothing(daemon: Daemon, page: httpx.Client, origin: str) -> None:
    command = {"command": "snooze", "what": "all"}
    headers = {"Origin": origin.replace("HERE", page.base_url.netloc.decode())}
    assert page.post("/api/command", json=command, headers=headers).status_code == 403
    assert daemon.controls.state().snoozed == {}


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("confirmed", [{"X-Forwarded-Proto": "https"}, {"Sec-Fetch-Site": "same-origin"}])
def test_behind_a_proxy_with_tls_the_page_has_an_https_origin(page: httpx.Client, confirmed: dict[str, str]) -> None:
    headers = {"Origin": f"https://{page.base_url.netloc.decode()}", **confirmed}
    assert page.post("/api/command", json={"command": "state"}, headers=headers).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_reads_nothing(page: httpx.Client, site: str) -> None:
    assert page.get("/api/history", headers={"Sec-Fetch-Site": site}).status_code == 403
    assert page.post("/api/doctor", headers={"Sec-Fetch-Site": site}).status_code == 403
    assert page.get("/", headers={"Sec-Fetch-Site": site}).status_code == 200


@pytest.mark.parametrize("path", ["/api/command", "/api/doctor", "/api/save"])
def test_no_get_changes_anything(page: httpx.Client, path: str) -> None:
    assert page.get(path).status_code == 405


def test_beyond_loopback_a_token_is_needed() -> None:
    with pytest.raises(ConfigError) as caught, server.listening("0.0.0.0:0", guarded=False):
        pass
    assert caught.value.code == "web-address-open"
    with server.listening("0.0.0.0:0", guarded=True):
        pass


def test_a_token_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ConfigError):
        AccessControl(lambda *_: None, (), b"short")  # type: ignore[arg-type, return-value]


def test_without_the_token_there_is_only_the_login_form(start: Start) -> None:
    with browser(start(TOKEN)) as page:
        assert page.get("/").headers["location"] == "login"
        assert "token" in page.get("/login").text
        for path in ("/page/main.js", "/api/stream", "/api/history", "/api/recordings/x"):
            assert page.get(path).status_code == 401
        assert page.post("/api/command", json={"command": "state"}).status_code == 401


def test_the_token_opens_the_page_until_it_is_changed(start: Start) -> None:
    with browser(start(TOKEN)) as page:
        answer = page.post("/login", data={"token": TOKEN.decode()})
        cookie = answer.headers["set-cookie"].lower()
        assert answer.headers["location"] == "./"
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "path" not in cookie
        assert TOKEN.decode() not in cookie
        assert page.get("/page/main.js").status_code == 200
        held = dict(page.cookies)
    with browser(start(b"another token 123")) as page:
        page.cookies.update(held)
        assert page.get("/page/main.js").status_code == 401


def test_a_wrong_token_opens_nothing_and_is_answered_late(start: Start) -> None:
    with browser(start(TOKEN)) as page:
        began = time.monotonic()
        answer = page.post("/login", data={"token": "wrong"})
        assert answer.headers["location"] == "login?wrong"
        assert "set-cookie" not in answer.headers
        assert time.monotonic() - began >= WRONG_S
        for method in ("GET", "POST"):
            began = time.monotonic()
            answer = page.request(method, "/page/main.js", headers={"Authorization": "Bearer wrong", "Origin": ""})
            assert answer.status_code == 401
            assert time.monotonic() - began >= WRONG_S


@pytest.fixture
def guesses(start: Start) -> Iterator[httpx.Client]:
    """A page with a token at which an address guesses as fast as it can."""
    url = start(TOKEN)
    ended = threading.Event()
    guess = {"Authorization": "Bearer wrong", "X-Forwarded-For": "192.0.2.1"}

    def guessing() -> None:
        with browser(url) as guesser:
            while not ended.is_set():
                guesser.get("/page/main.js", headers=guess)

    threads = [threading.Thread(target=guessing) for _ in range(2 * WRONG_AT_ONCE)]
    for thread in threads:
        thread.start()
    with browser(url) as page:
        eventually(
            lambda: page.get("/page/main.js", headers=BEARER | guess | BEARER).status_code == 429, "it is slowed"
        )
        yield page
    ended.set()
    for thread in threads:
        thread.join()


def test_an_address_that_guesses_is_slowed_and_keeps_nobody_else_out(guesses: httpx.Client) -> None:
    other = {"X-Forwarded-For": "192.0.2.1, 192.0.2.2"}
    assert guesses.get("/page/main.js", headers=BEARER | other).status_code == 200
    assert guesses.post("/login", data={"token": TOKEN.decode()}, headers=other).headers["location"] == "./"


@pytest.mark.usefixtures("daemon")
def test_a_program_sends_the_token_in_a_header(start: Start) -> None:
    with httpx.Client(base_url=start(TOKEN), trust_env=False, timeout=20) as program:
        assert program.get("/page/main.js", headers=BEARER).status_code == 200
        assert program.post("/api/command", json={"command": "state"}, headers=BEARER).status_code == 200


@pytest.mark.parametrize("host", [b"127.0.0.1:80/login?", b"127.0.0.1:80/page/style.css?"])
def test_a_host_header_cannot_pretend_to_be_a_public_path(host: bytes) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def unreachable(*_: object) -> None:
        raise AssertionError

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/page/main.js",
        "query_string": b"",
        "headers": [(b"host", host)],
    }
    control = AccessControl(unreachable, (), TOKEN)
    asyncio.run(control(scope, None, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 400


def test_connections_of_machines_that_are_gone_end() -> None:
    with (
        server.listening("127.0.0.1:0", guarded=False) as (listening, _),
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        for option, value in addresses.KEEPALIVE.items():
            assert accepted.getsockopt(socket.IPPROTO_TCP, option) == value


def test_silent_connections_keep_nobody_out(page: httpx.Client) -> None:
    where = page.base_url.host, page.base_url.port
    assert page.get("/login").status_code == 200  # and this connection stays
    with ExitStack() as closing:
        for number in range(server.CONNECTIONS + 20):
            silent = closing.enter_context(socket.create_connection(where))
            silent.sendall(UNFINISHED[number % len(UNFINISHED)])
        assert page.get("/login").status_code == 200
        with browser(str(page.base_url).rstrip("/")) as other:
            assert other.get("/login").status_code == 200


def test_a_client_that_does_not_read_its_answer_is_disconnected(page: httpx.Client, database: Path) -> None:
    size = 30_000_000
    (database.parent / "a.flac").write_bytes(bytes(size))
    history = History(database, keep_days=3650, max_mb=100)
    history.keep_clip("e99", "a.flac", None)
    history.close()
    received = 0
    with socket.create_connection((page.base_url.host, page.base_url.port), 10) as connection:
        connection.sendall(b"GET /api/recordings/e99 HTTP/1.1\r\n" + HOST + b"\r\n")
        time.sleep(3 * Impatient.blocked_s)  # without reading
        with suppress(ConnectionResetError):
            while part := connection.recv(1_000_000):
                received += len(part)
    assert 0 < received < size


@pytest.mark.parametrize(
    "sent", [b"", b"G", b"POST /api/command HTTP/1.1\r\nContent-Length: 9\r\nOrigin: http://127.0.0.1\r\n" + HOST]
)
def test_a_connection_without_a_whole_request_is_closed(page: httpx.Client, sent: bytes) -> None:
    with socket.create_connection((page.base_url.host, page.base_url.port), 10) as connection:
        connection.sendall(b"HEAD /login HTTP/1.1\r\n" + HOST + b"\r\n")
        assert b" 200 OK" in connection.recv(4096)
        connection.sendall(sent)
        assert connection.recv(1) == b""
