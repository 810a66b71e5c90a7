"""Write docs/listener.svg, the terminal display during the demo recording: `python -m scripts.make_picture`.

A real daemon plays the demo in real time, so this takes about a minute.
"""

import io
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from listener.client import Client
from listener.messages import Event, Hello, Level, Spectrum, Status
from listener.pipeline.bundle import ASSETS
from listener.tui.page import draw
from listener.tui.scene import Scene
from listener.tui.view import Snapshot

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "listener.svg"
AT_S = 59.0  # of the demo: the smoke alarm sounds after other events
SOUNDING_DBFS = -30.0  # during a beep, not between two
WIDTH, HEIGHT = 96, 26

CONFIG = """\
[[source]]
kind = "file"
name = "demo"
path = "{path}"
realtime = true

[daemon]
socket = "{socket}"
"""


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        socket, config = Path(folder) / "s", Path(folder) / "config.toml"
        config.write_text(CONFIG.format(path=ASSETS / "demo.ogg", socket=socket))
        with subprocess.Popen([sys.executable, "-m", "listener", "run", "--config", config]) as daemon:
            try:
                while not socket.exists() and daemon.poll() is None:
                    time.sleep(0.1)
                PICTURE.write_text(drawn(seen(Client(f"unix:{socket}"))))
            finally:
                daemon.terminate()


def seen(client: Client) -> Scene:
    """Receive messages up to that moment of the demo."""
    scene = None
    for message in client.receive(["event", "level", "status", "spectrum"], replay=20):
        if isinstance(message, Hello):
            scene = Scene(message)
        elif scene and isinstance(message, Event | Level | Spectrum | Status):
            scene = scene.with_message(message)
        if scene and isinstance(message, Level) and message.at_s >= AT_S and message.level_dbfs > SOUNDING_DBFS:
            return scene
    raise SystemExit("the daemon ended before the moment of the picture")


def drawn(scene: Scene) -> str:
    """Draw the scene as SVG."""
    console = Console(record=True, width=WIDTH, height=HEIGHT, file=io.StringIO(), force_terminal=True)
    for line in draw(Snapshot(scene), WIDTH, HEIGHT):
        console.print(Text.assemble(*line), no_wrap=True, overflow="ignore")
    picture = console.export_svg(title="listener run")
    return re.sub(r"@font-face {.*?}\s*", "", picture, flags=re.DOTALL)  # a viewer would fetch it from a server


if __name__ == "__main__":
    main()
