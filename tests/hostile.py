"""Runs a command as a user whose configuration, folders and ports must be left alone, and reports what was touched.

`python -m tests.hostile COMMAND...`: `.ci/run` runs the whole suite under it.
"""

import os
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.hermetic import environment

PORTS = {1883: "MQTT", 8787: "page", 8790: "control", 9774: "metrics"}
CONFIG = """
[[sink]]
kind = "mqtt"
host = "127.0.0.1"
[[sink]]
kind = "log"
[[sink]]
kind = "socket"
tcp = "127.0.0.1:8790"
"""
TOUCHED = 3  # exit status


class Decoys:
    """Sockets where the user's broker, page, metrics and daemon would be. They count connections and never answer."""

    def __init__(self, folder: Path) -> None:
        self.contacts: list[str] = []
        self._stopping = threading.Event()
        self._selector = selectors.DefaultSelector()
        for port, name in PORTS.items():
            self._listen(socket.AF_INET, ("127.0.0.1", port), f"{name} port {port}")
        for path in (folder / "run/listener.sock", folder / "root/run/listener/listener.sock"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._listen(socket.AF_UNIX, str(path), str(path))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "Decoys":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()

    def _listen(self, family: int, address: object, name: str) -> None:
        listening = socket.socket(family)
        try:
            listening.bind(address)
        except OSError:  # in use: the real thing is there, and no decoy is needed to make a test fail
            listening.close()
            return
        listening.listen(64)
        self._selector.register(listening, selectors.EVENT_READ, name)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            for key, _ in self._selector.select(timeout=0.2):
                key.fileobj.accept()[0].close()
                self.contacts.append(f"connected to {key.data}")


@contextmanager
def hostile(folder: Path) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Put everything in place for the time of the block.

    Args:
        folder: An empty folder that takes the user's home and the system's paths.

    Yields:
        The environment for a command, and a list that says, after the block, what was touched.
    """
    variables = environment(folder)
    for path in (folder / "home/.config/listener/config.toml", folder / "root/etc/listener/config.toml"):
        path.parent.mkdir(parents=True)
        path.write_text(CONFIG)
    touched: list[str] = []
    with Decoys(folder) as decoys:
        before = _files(folder)
        yield os.environ | variables | {"STATE_DIRECTORY": str(folder / "home/state")}, touched
    after = _files(folder)
    touched += decoys.contacts
    touched += [f"wrote {path}" for path in sorted(after) if after[path] != before.get(path)]
    touched += [f"deleted {path}" for path in sorted(set(before) - set(after))]


def main(command: Sequence[str]) -> int:
    """Run a command. Returns its exit status, or 3 if it succeeded but touched something."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        with hostile(Path(folder)) as (variables, touched):
            status = subprocess.run(command, env=variables, check=False).returncode
        for line in touched[:50]:
            sys.stderr.write(f"hostile: {line}\n")
    return status or (TOUCHED if touched else 0)


def _files(folder: Path) -> dict[Path, tuple[int, int]]:
    """Every file but the caches of tools, with its size and the time of its last change in nanoseconds."""
    found = (path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts)
    return {path: ((stat := path.stat()).st_size, stat.st_mtime_ns) for path in found}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
