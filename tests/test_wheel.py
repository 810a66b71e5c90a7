"""The wheel is the daemon with its default model, and nothing else of ours reaches anyone's site-packages."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_only_listener_is_in_it(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in names(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"listener"}


def test_every_module_and_asset_of_the_checkout_is_in_it(wheel: Path) -> None:
    ours = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "listener").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert ours <= set(names(wheel))
    assert "listener/assets/default/model.onnx" in ours
    assert "listener/assets/free/model.onnx" in ours
    assert "listener/assets/demo.ogg" in ours


def test_it_is_small_enough_to_send(wheel: Path) -> None:
    assert wheel.stat().st_size < 4_000_000
    assert (ROOT / "listener/assets/default/model.onnx").stat().st_size < 2_000_000


def test_installed_it_runs_where_no_checkout_is(wheel: Path, tmp_path: Path) -> None:
    """Installed into a folder of its own, with the libraries of this environment and neither torch nor librosa."""
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "for name in ('torch', 'librosa', 'scipy', 'onnx'): sys.modules[name] = None\n"
        "import listener; assert listener.__file__.startswith(sys.argv[1]), listener.__file__\n"
        "from listener.cli import main\n"
        "sys.exit(main(['classify', listener.__path__[0] + '/assets/demo.ogg']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, site], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "smoke_alarm" in done.stdout
