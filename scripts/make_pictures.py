"""Write docs/web-*.png, the page in the browser during the demo recording: `python -m scripts.make_pictures`.

The daemon, the page's server, the browser and the live events are real. The history is generated: a month in a home
with a dog.
"""

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from listener.messages import Event
from listener.pipeline.bundle import ASSETS
from listener.storage.history import History

FOLDER = Path(__file__).resolve().parents[1] / "docs"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
URL = "http://127.0.0.1:8797/"
ALARM = "#feed li.now:has-text('smoke alarm')"  # the moment of the pictures
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 640}}
LOOKS: dict[str, dict[str, Any]] = {
    "light": DESK,
    "dark": {"color_scheme": "dark", **DESK},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}
START_MS, DEMO_MS = 60_000, 120_000
DAYS = 28
# label, events per day, hour around which they begin, length in seconds
MADE_UP = (
    ("dog_bark", 9, 17, 6.0),
    ("doorbell", 2, 12, 2.0),
    ("telephone_ring", 3, 11, 14.0),
    ("appliance_beep", 4, 19, 5.0),
    ("baby_cry", 3, 5, 40.0),
    ("siren", 1, 15, 25.0),
    ("rain", 0.5, 3, 900.0),
    ("smoke_alarm", 0.1, 18, 8.0),
)

CONFIG = """\
[[source]]
kind = "file"
name = "kitchen"
path = "demo.ogg"
realtime = true

[daemon]
socket = "{folder}/s"

[[sink]]
kind = "history"
path = "{folder}/history.db"
"""


def main() -> None:
    """Write the pictures."""
    if CHROMIUM is None:
        raise SystemExit("no chromium on this machine; install it: apt install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        write_history(Path(folder) / "history.db")
        (Path(folder) / "config.toml").write_text(CONFIG.format(folder=folder))
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with running("web", folder, "--address", "127.0.0.1:8797"):
            for name, look in LOOKS.items():
                page = opened(browser, **look)
                with running("run", folder, "--plain"):
                    if name == "light":
                        take_history(page)
                    page.wait_for_selector(ALARM)
                    page.screenshot(path=FOLDER / f"web-{name}.png")
                page.close()
        browser.close()


def take_history(page: Any) -> None:
    """Take the picture of four weeks of history, and go back to the live page."""
    page.wait_for_selector("#state.good")
    page.get_by_role("link", name="History").click()
    page.get_by_label("Show").select_option("28")
    page.wait_for_selector("#hours g:nth-child(6)")
    page.screenshot(path=FOLDER / "web-history.png")
    page.get_by_role("link", name="Live").click()


def opened(browser: Any, **look: Any) -> Any:
    """Open the page, once its server answers."""
    page = browser.new_context(reduced_motion="reduce", **look).new_page()  # animations would take CPU from the daemon
    page.set_default_timeout(DEMO_MS)
    deadline = time.monotonic() + START_MS / 1000
    while True:
        try:
            page.goto(URL)
            return page
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


@contextmanager
def running(command: str, folder: str, *flags: str) -> Iterator[None]:
    """Run a command in the folder of the demo recording, whose name is then short in the picture."""
    argv = [sys.executable, "-m", "listener", command, "--config", f"{folder}/config.toml", *flags]
    with subprocess.Popen(argv, cwd=ASSETS) as process:
        try:
            yield
        finally:
            process.terminate()


def write_history(path: Path) -> None:
    """Write the history."""
    dice = random.Random(1)
    history = History(path, keep_days=365, max_mb=100)
    history.open()
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    moments = [
        (midnight - timedelta(days=day, hours=-(hour + dice.gauss(0, 2.5))), label, length_s)
        for day in range(DAYS)
        for label, often, hour, length_s in MADE_UP
        for _ in range(int(often * dice.uniform(0.3, 1.7) + dice.random()))
    ]
    for number, (began, label, length_s) in enumerate(sorted(moments)):
        if began < datetime.now(UTC):
            history.record(ended_event(number, began, label, length_s * dice.uniform(0.5, 1.5), dice.uniform(0.8, 1.0)))
    history.close()


def ended_event(number: int, began: datetime, label: str, length_s: float, peak: float) -> Event:
    """The last message of an event."""
    return Event(
        id=f"made-up-{number}",
        seq=1,
        phase="end",
        label=label,
        start=began.isoformat(),
        end=(began + timedelta(seconds=length_s)).isoformat(),
        start_s=0.0,
        end_s=length_s,
        detected_s=0.5,
        score=peak,
        peak=peak,
        level_dbfs=-30.0,
        source="kitchen",
        model="home",
        top={},
    )


if __name__ == "__main__":
    main()
