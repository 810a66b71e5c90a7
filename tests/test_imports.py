"""Imports go one way, each third-party library has its one place, and the daemon never needs torch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "listener"

# A module may import those of its own level and below.
LEVELS = [
    {"errors", "types", "paths", "clocks", "cells"},
    {
        "schema",
        "wire",
        "features",
        "timing",
        "channel",
        "notify",
        "signals",
        "logs",
        "database",
        "recorder",
        "outline",
        "spectrograph",
        "addresses",
        "ageing",
    },
    {"needs", "credentials"},
    {
        "controls",
        "filters",
        "spool",
        "bundle",
        "registry",
        "assembler",
        "devices",
        "client",
        "screen",
        "terminal",
        "display",
        "attachment",
    },
    {"config", "history", "completion"},
    {"gates", "clipper", "tracker", "classifier", "loud"},
    {"pipeline"},
    {"hearing", "episodes"},
    {"health"},
    {"meter", "ear"},
    {"room", "tuning"},
    {"outlet"},
    {"daemon"},
    {"service", "units"},
    {"doctor"},
    {"web"},
    {"commands", "cli", "library"},
]
VALUES = {"types", "clocks", "cells", "wire", "errors", "schema", "paths", "addresses", "needs", "credentials"}
PARTS_MAY_USE = VALUES | {"ageing", "controls", "spool", "database", "history", "recorder"}
ONE_PLACE = {
    "onnxruntime": {"classifier.py"},
    "webrtcvad": {"gates.py"},
    "soxr": {"assembler.py"},
    "soundfile": {"sources/file.py", "sinks/clips.py"},
    "sounddevice": {"sources/portaudio.py"},
    "pyaudio": {"sources/portaudio.py"},
    "paho": {"sinks/mqtt_link.py"},
    "rich": {"terminal/canvas.py", "commands/_tables.py", "cells.py"},
    "prometheus_client": {"sinks/prometheus.py"},
    "httpx": {"sinks/webhook.py"},
    "starlette": {"web/app.py", "web/guard.py"},
    "uvicorn": {"commands/web.py", "web/door.py"},
    "tomlkit": {"tuning/rewrite.py"},
    "msgspec": {"schema.py", "config.py", "bundle.py", "wire.py"},
}
NEVER = {"torch", "librosa", "models", "export", "scipy"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (
                (f"{node.module}.{alias.name}" for alias in node.names) if node.module == "listener" else (node.module,)
            )


def ours(path: Path) -> set[str]:
    """The modules of ours it imports, by the first name below `listener`."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("listener.")} - {"__version__"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_imports_training_code_or_its_libraries(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & NEVER


@pytest.mark.parametrize("library", ONE_PLACE)
def test_a_library_is_imported_in_its_one_place(library: str) -> None:
    users = {
        str(path.relative_to(PACKAGE)) for path in modules() if library in {n.split(".")[0] for n in imported(path)}
    }
    assert users <= ONE_PLACE[library]


def test_imports_go_one_way() -> None:
    height = {name: level for level, names in enumerate(LEVELS) for name in names}
    for path in modules():
        top = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for used in ours(path):
            if top in height and used in height:
                assert height[used] <= height[top], f"{path} imports {used}"


@pytest.mark.parametrize("folder", ["sources", "sinks"])
def test_parts_know_values_and_errors_and_nothing_above(folder: str) -> None:
    for path in (PACKAGE / folder).glob("*.py"):
        assert ours(path) <= PARTS_MAY_USE | {folder}, path


def test_the_whole_command_line_runs_without_training_libraries() -> None:
    """Import every module in an interpreter that refuses torch and librosa."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in modules()
        if path.stem not in ("__init__", "__main__")
    ]
    code = (
        "import sys, importlib\n"
        "for name in ('torch', 'librosa', 'scipy'): sys.modules[name] = None\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
