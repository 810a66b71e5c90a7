"""The page behind a real nginx at a path of its own, as a reverse proxy or Home Assistant's ingress serves it."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.broker import free_port
from tests.sinks.messages import event
from tests.waiting import eventually
from tests.web.chromium import Visit, chromium
from tests.web.conftest import Daemon, Start, browser
from tests.web.stream import opened

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
TOKEN = b"0123456789abcdef"
PLACES = {"/listener/": "", "/api/hassio_ingress/abc/": "proxy_set_header X-Ingress-Path /api/hassio_ingress/abc;"}
CONFIG = """
daemon off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    {locations}
  }}
}}
"""
LOCATION = """
    location {place} {{
      proxy_pass {url}/;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      {extra}
    }}
"""

pytestmark = [
    pytest.mark.skipif(NGINX is None, reason="no nginx on this machine (make test installs it)"),
    pytest.mark.system,
]


@pytest.fixture
def proxy(start: Start, tmp_path: Path) -> Iterator[str]:
    """A proxy in front of a page that asks for a token; its address."""
    url, port = start(TOKEN), free_port()
    locations = "".join(LOCATION.format(place=place, url=url, extra=extra) for place, extra in PLACES.items())
    config = tmp_path / "nginx.conf"
    config.write_text(CONFIG.format(folder=tmp_path, port=port, locations=locations))
    with subprocess.Popen([str(NGINX), "-c", str(config), "-p", str(tmp_path)], stderr=subprocess.DEVNULL) as nginx:
        address = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(address), "nginx answers")
        yield address
        nginx.terminate()


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/listener/login", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("place", PLACES)
def test_log_in_stream_and_commands_work_under_a_path(daemon: Daemon, proxy: str, place: str) -> None:
    with browser(proxy) as page:
        page.base_url = httpx.URL(proxy + place)
        page.follow_redirects = True
        form = page.get("")
        assert str(form.url) == f"{proxy}{place}login"
        entered = page.post("login", data={"token": TOKEN.decode()})
        assert str(entered.url) == proxy + place
        assert page.post("api/command", json={"command": "state"}).status_code == 200
        with opened(page, path="api/stream") as stream:
            stream.until(lambda message: message["type"] == "status")
            daemon.socket.emit(event(1))
            assert stream.event()["id"] == "e1"


@pytest.mark.parametrize("place", PLACES)
def test_a_browser_shows_the_page_under_a_path(daemon: Daemon, proxy: str, place: str) -> None:
    with chromium() as running:
        visit = Visit(running, proxy + place)
        visit.page.get_by_label("token").fill(TOKEN.decode())
        visit.page.get_by_role("button", name="Log in").click()
        visit.page.wait_for_selector("#state.good")
        daemon.socket.emit(event(1))
        visit.page.wait_for_selector("#feed li[data-id=e1]")
        visit.show("Health")
        visit.page.get_by_role("button", name="Run checks").click()
        visit.until("document.querySelectorAll('#findings li').length === 2")
        assert outside(visit, proxy + place) == []
        assert visit.complaints == []
        visit.context.close()


def outside(visit: Visit, url: str) -> list[Any]:
    """Return the addresses of everything on the page that does not lie under its path."""
    loaded = "performance.getEntriesByType('resource').map((entry) => entry.name)"
    return [name for name in visit.page.evaluate(loaded) if not name.startswith(url)]
