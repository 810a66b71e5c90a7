"""Who may ask what."""

import httpx
import pytest

from listener.errors import ConfigError
from listener.web import door
from listener.web.guard import HEADERS, Guard
from tests.web.conftest import Daemon, Start, browser

TOKEN = b"0123456789abcdef"


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/api/now", "/nothing"])
def test_every_answer_has_the_headers_that_protect_it(page: httpx.Client, path: str) -> None:
    answer = page.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "'unsafe-inline'" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8787", "127.0.0.1.evil.example", ""])
def test_a_name_that_was_rebound_to_this_machine_is_refused(page: httpx.Client, host: str) -> None:
    assert page.get("/api/now", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost:8787", "[::1]:8787", "192.168.1.7", "listener.lan"])
def test_an_address_and_a_configured_name_are_not(start: Start, host: str) -> None:
    with browser(start(names=("listener.lan",))) as page:
        assert page.get("/api/now", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:1"])
def test_another_sites_page_changes_nothing(daemon: Daemon, page: httpx.Client, origin: str) -> None:
    command = {"command": "snooze", "what": "all"}
    assert page.post("/api/command", json=command, headers={"Origin": origin}).status_code == 403
    assert daemon.controls.state().snoozed == {}


def test_another_sites_page_reads_nothing(page: httpx.Client) -> None:
    assert page.get("/api/now", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


@pytest.mark.parametrize("path", ["/api/command", "/api/doctor"])
def test_no_get_changes_anything(page: httpx.Client, path: str) -> None:
    assert page.get(path).status_code == 405


def test_beyond_loopback_a_token_is_needed() -> None:
    with pytest.raises(ConfigError, match="lets other machines in"), door.listening("0.0.0.0:0", guarded=False):
        pass
    with door.listening("0.0.0.0:0", guarded=True):
        pass


def test_a_token_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ConfigError, match="could be guessed"):
        Guard(lambda *_: None, (), b"short")


def test_without_the_token_there_is_only_the_form_to_show_it(start: Start) -> None:
    with browser(start(TOKEN)) as page:
        assert page.get("/").headers["location"] == "/login"
        assert "token" in page.get("/login").text
        for path in ("/page/main.js", "/api/now", "/api/stream", "/api/history", "/api/clips/x"):
            assert page.get(path).status_code == 401
        assert page.post("/api/command", json={"command": "state"}).status_code == 401


def test_the_token_opens_the_page_until_it_is_another(start: Start) -> None:
    with browser(start(TOKEN)) as page:
        answer = page.post("/login", data={"token": TOKEN.decode()})
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN.decode() not in cookie
        assert page.get("/api/now").status_code == 200
        held = dict(page.cookies)
    with browser(start(b"another token 123")) as page:
        page.cookies.update(held)
        assert page.get("/api/now").status_code == 401


def test_a_wrong_token_opens_nothing(start: Start) -> None:
    with browser(start(TOKEN)) as page:
        answer = page.post("/login", data={"token": "wrong"})
        assert answer.headers["location"] == "/login?wrong"
        assert "set-cookie" not in answer.headers
        assert page.get("/api/now", headers={"Authorization": "Bearer wrong"}).status_code == 401


@pytest.mark.usefixtures("daemon")
def test_a_program_shows_the_token_in_a_header(start: Start) -> None:
    shown = {"Authorization": f"Bearer {TOKEN.decode()}"}
    with httpx.Client(base_url=start(TOKEN), trust_env=False, timeout=20) as program:
        assert program.get("/api/now", headers=shown).status_code == 200
        assert program.post("/api/command", json={"command": "state"}, headers=shown).status_code == 200
