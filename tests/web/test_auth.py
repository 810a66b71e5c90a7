"""Who may ask what."""

import socket

import httpx
import pytest
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import JSONResponse

from listener.base import addresses
from listener.errors import ConfigError
from listener.web import server
from listener.web.auth import HEADERS, AccessControl
from tests.waiting import eventually
from tests.web.conftest import Daemon, Start, browser

TOKEN = b"0123456789abcdef"
HOST = b"Host: 127.0.0.1\r\n"
UNFINISHED = (b"", b"GET / HTTP/1.1\r\n" + HOST, b"POST /login HTTP/1.1\r\nOrigin: http://127.0.0.1\r\n" + HOST)


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/api/history", "/nothing"])
def test_every_answer_has_the_headers_that_protect_it(page: httpx.Client, path: str) -> None:
    answer = page.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "'unsafe-inline'" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8787", "127.0.0.1.evil.example", ""])
def test_a_name_that_was_rebound_to_this_machine_is_refused(page: httpx.Client, host: str) -> None:
    assert page.get("/page/main.js", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "Listener.LAN"])
@pytest.mark.parametrize("rest", [":80/login?", "/login?:80", ":80/page/style.css?", ":80#", ":80\\", ":http"])
def test_a_host_with_more_than_a_name_and_a_port_is_refused(start: Start, name: str, rest: str) -> None:
    with browser(start(TOKEN, ("Listener.LAN",))) as page:
        assert page.get("/page/main.js", headers={"Host": name + rest}).status_code == 400


class Believing(Request):
    """One whose URL is made of whatever the Host header says, as by older Starlettes."""

    @property
    def url(self) -> URL:
        return URL(f"http://{self.headers['host']}{self.scope['path']}")


@pytest.mark.parametrize("host", [b"127.0.0.1:80/login?", b"127.0.0.1:80/page/style.css?"])
def test_what_is_asked_for_is_the_path_that_is_routed_whatever_the_url(host: bytes) -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/page/main.js",
        "query_string": b"",
        "headers": [(b"host", host)],
    }
    answer = AccessControl(lambda *_: None, (), TOKEN)._unproven(Believing(scope))
    assert isinstance(answer, JSONResponse)
    assert answer.status_code == 401


@pytest.mark.parametrize("host", ["localhost:8787", "[::1]:8787", "192.168.1.7", "listener.lan", "kitchen-pi.local"])
def test_an_address_and_a_configured_name_are_not(start: Start, host: str) -> None:
    with browser(start(names=("listener.lan", "Kitchen-Pi.local."))) as page:
        assert page.get("/page/main.js", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:1"])
def test_another_sites_page_changes_nothing(daemon: Daemon, page: httpx.Client, origin: str) -> None:
    command = {"command": "snooze", "what": "all"}
    assert page.post("/api/command", json=command, headers={"Origin": origin}).status_code == 403
    assert daemon.controls.state().snoozed == {}


def test_another_sites_page_reads_nothing(page: httpx.Client) -> None:
    assert page.get("/api/history", headers={"Sec-Fetch-WebApp": "cross-site"}).status_code == 403


@pytest.mark.parametrize("path", ["/api/command", "/api/doctor"])
def test_no_get_changes_anything(page: httpx.Client, path: str) -> None:
    assert page.get(path).status_code == 405


def test_beyond_loopback_a_token_is_needed() -> None:
    with pytest.raises(ConfigError, match="lets other machines in"), server.listening("0.0.0.0:0", guarded=False):
        pass
    with server.listening("0.0.0.0:0", guarded=True):
        pass


def test_a_token_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ConfigError, match="could be guessed"):
        AccessControl(lambda *_: None, (), b"short")


def test_without_the_token_there_is_only_the_form_to_show_it(start: Start) -> None:
    with browser(start(TOKEN)) as page:
        assert page.get("/").headers["location"] == "/login"
        assert "token" in page.get("/login").text
        for path in ("/page/main.js", "/api/stream", "/api/history", "/api/clips/x"):
            assert page.get(path).status_code == 401
        assert page.post("/api/command", json={"command": "state"}).status_code == 401


def test_the_token_opens_the_page_until_it_is_another(start: Start) -> None:
    with browser(start(TOKEN)) as page:
        answer = page.post("/login", data={"token": TOKEN.decode()})
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN.decode() not in cookie
        assert page.get("/page/main.js").status_code == 200
        held = dict(page.cookies)
    with browser(start(b"another token 123")) as page:
        page.cookies.update(held)
        assert page.get("/page/main.js").status_code == 401


def test_a_wrong_token_opens_nothing(start: Start) -> None:
    with browser(start(TOKEN)) as page:
        answer = page.post("/login", data={"token": "wrong"})
        assert answer.headers["location"] == "/login?wrong"
        assert "set-cookie" not in answer.headers
        assert page.get("/page/main.js", headers={"Authorization": "Bearer wrong"}).status_code == 401


@pytest.mark.usefixtures("daemon")
def test_a_program_shows_the_token_in_a_header(start: Start) -> None:
    shown = {"Authorization": f"Bearer {TOKEN.decode()}"}
    with httpx.Client(base_url=start(TOKEN), trust_env=False, timeout=20) as program:
        assert program.get("/page/main.js", headers=shown).status_code == 200
        assert program.post("/api/command", json={"command": "state"}, headers=shown).status_code == 200


def test_the_connections_of_machines_that_are_gone_end() -> None:
    with (
        server.listening("127.0.0.1:0", guarded=False) as (listening, _),
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        for option, value in addresses.KEEPALIVE.items():
            assert accepted.getsockopt(socket.IPPROTO_TCP, option) == value


def test_connections_that_ask_nothing_keep_others_out_for_seconds_at_most(page: httpx.Client) -> None:
    address = page.base_url.host, page.base_url.port
    silent = [socket.create_connection(address) for _ in range(server.CONNECTIONS + 4)]
    for number, each in enumerate(silent):
        each.sendall(UNFINISHED[number % len(UNFINISHED)])
    eventually(lambda: page.get("/login").status_code == 503, "they take up all the room")
    for each in silent:
        each.settimeout(2 * server.ASKED_S)
        assert each.recv(1) == b""
        each.close()
    assert page.get("/login").status_code == 200


@pytest.mark.parametrize(
    "said", [b"G", b"POST /api/command HTTP/1.1\r\nContent-Length: 9\r\nOrigin: http://127.0.0.1\r\n"]
)
def test_after_an_answer_or_in_the_midst_of_a_body_it_is_the_same(page: httpx.Client, said: bytes) -> None:
    with socket.create_connection((page.base_url.host, page.base_url.port), 2 * server.ASKED_S) as open_one:
        open_one.sendall(b"HEAD /login HTTP/1.1\r\n" + HOST + b"\r\n")
        assert b" 200 OK" in open_one.recv(4096)
        open_one.sendall(said + (HOST + b"\r\n" if len(said) > 1 else b""))
        assert open_one.recv(1) == b""
