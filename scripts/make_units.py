"""Write systemd/, the units for packagers; `listener install-service` writes those for a machine."""

from pathlib import Path

from listener.cli import systemd_units

ROOT = Path(__file__).resolve().parents[1]
COMMAND = ["/usr/bin/env", "listener", "run", "--wait", "--plain"]


def rendered() -> dict[Path, str]:
    """The text of each file."""
    return {
        ROOT / "systemd" / "listener.service": systemd_units.unit("system", COMMAND, folder=systemd_units.CREDENTIALS),
        ROOT / "systemd" / "user" / "listener.service": systemd_units.unit(
            "user", COMMAND, folder=Path("%h/.config/listener")
        ),
    }


if __name__ == "__main__":
    for path, text in rendered().items():
        path.write_text(text, encoding="utf-8")
