"""Import rules that `lint-imports` (see pyproject.toml) cannot state."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "listener"

ONE_PLACE = {
    "onnxruntime": {"pipeline/classifier.py"},
    "webrtcvad": {"pipeline/gates.py"},
    "soxr": {"pipeline/framer.py"},
    "soundfile": {"sources/recording.py", "sinks/history/recordings.py"},
    "sounddevice": {"sources/microphone/portaudio.py"},
    "pyaudio": {"sources/microphone/portaudio.py"},
    "paho": {"sinks/mqtt/connection.py"},
    "rich": {"cli/commands/classify.py", "tui/canvas.py", "cli/tables.py", "base/text_width.py"},
    "prometheus_client": {"sinks/prometheus.py"},
    "httpx": {"sinks/webhook/sink.py"},
    "starlette": {"web/app.py", "web/auth.py"},
    "uvicorn": {"cli/commands/web.py", "web/server.py"},
    "tomlkit": {"tuning/rewrite.py"},
    "msgspec": {"base/schema.py", "pipeline/bundle.py", "messages.py"},
}


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


@pytest.mark.parametrize("library", ONE_PLACE)
def test_a_library_is_imported_in_its_one_place(library: str) -> None:
    users = {
        str(path.relative_to(PACKAGE)) for path in modules() if library in {n.split(".")[0] for n in imported(path)}
    }
    assert users <= ONE_PLACE[library]


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
