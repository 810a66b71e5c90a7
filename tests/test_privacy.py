"""Nothing leaves the machine, nor is anything kept to leave it later."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ASSETS = Path(__file__).parents[1] / "listener" / "assets"
RUN = "import sys; from listener.cli.main import main; sys.exit(main(['classify', sys.argv[1]]))"
EXPORT = (
    "from export.graph import Runtime; from pathlib import Path; import sys; Runtime(Path(sys.argv[1]).read_bytes())"
)


@pytest.mark.parametrize(
    ("program", "argument"),
    [(RUN, ASSETS / "demo.ogg"), (EXPORT, ASSETS / "default" / "model.onnx")],
    ids=["run", "export"],
)
def test_the_runtime_leaves_no_word_for_its_maker(program: str, argument: Path, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
    subprocess.run([sys.executable, "-c", program, str(argument)], env=environment, check=True, capture_output=True)
    assert [path for path in tmp_path.rglob("*") if "icrosoft" in str(path) or "onnxruntime" in str(path)] == []
