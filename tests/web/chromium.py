"""A headless Chromium of this machine's, and the pages that a test opens in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.waiting import eventually

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_MS = 60_000  # on a machine that is busy


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser. The test is skipped, saying so, on a machine without one."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here (pip install playwright)")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (make test installs it)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A page that is looked at. What it complains of on its console is kept."""

    def __init__(self, browser: Any, url: str, **look: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **look})
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.bytes = 0
        self.hosts: set[str] = set()
        self.page.on("pageerror", lambda err: self.complaints.append(str(err)))
        self.page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        self.page.on("response", self._count)
        self.page.goto(url)

    def _count(self, response: Any) -> None:
        self.hosts.add(response.url.split("/")[2])
        self.bytes += int(response.headers.get("content-length", 0))

    def show(self, view: str) -> None:
        """Go to one of its views as a person would."""
        self.page.get_by_role("link", name=view, exact=True).click()
        self.page.wait_for_selector(f"#{view.lower()}", state="visible")

    def until(self, expression: str) -> None:
        """Wait until an expression of the page's holds. Asked from outside: the page's own policy forbids `eval`."""
        eventually(lambda: self.page.evaluate(expression), expression, PATIENCE_MS / 1000)
