"""The wheel is the daemon with its default model, and nothing else of ours reaches anyone's site-packages."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (built,) = build("--wheel", tmp_path_factory.mktemp("wheel"), ROOT)
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (built,) = build("--sdist", tmp_path_factory.mktemp("sdist"), ROOT)
    return built


def build(what: str, out: Path, source: Path) -> list[Path]:
    command = [sys.executable, "-m", "build", what, "--no-isolation", "--outdir", out, source]
    subprocess.run(command, check=True, capture_output=True)
    return list(out.iterdir())


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def names(wheel: Path) -> list[str]:
    return list(contents(wheel))


def test_only_listener_is_in_it(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in names(wheel)}
    assert {top for top in tops if not top.endswith((".dist-info", ".data"))} == {"listener"}


def test_the_manual_and_completion_come_with_it(wheel: Path) -> None:
    shared = {name.partition(".data/data/")[2] for name in names(wheel)} - {""}
    assert shared == {
        "share/man/man1/listener.1",
        "share/bash-completion/completions/listener",
        "share/zsh/site-functions/_listener",
        "share/fish/vendor_completions.d/listener.fish",
    }


def test_the_only_recording_in_it_is_the_demo(wheel: Path) -> None:
    sounds = (".wav", ".flac", ".ogg", ".mp3", ".npz", ".pcm")
    assert [name for name in names(wheel) if name.endswith(sounds)] == ["listener/assets/demo.ogg"]


def test_the_source_archive_holds_no_tests_and_makes_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(sdist, tmp_path)
    (unpacked,) = tmp_path.iterdir()
    assert not {"tests", "models", "export", "runs"} & {path.name for path in unpacked.iterdir()}
    (again,) = build("--wheel", tmp_path / "out", unpacked)
    assert contents(again) == contents(wheel)


def test_every_module_and_asset_of_the_checkout_is_in_it(wheel: Path) -> None:
    ours = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "listener").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert ours <= set(names(wheel))
    assert "listener/assets/default/model.onnx" in ours
    assert "listener/assets/city/model.onnx" in ours
    assert "listener/assets/demo.ogg" in ours


def test_it_is_small_enough_to_send(wheel: Path) -> None:
    assert wheel.stat().st_size < 8_000_000
    assert (ROOT / "listener/assets/default/model.onnx").stat().st_size < 4_000_000


def test_installed_it_runs_where_no_checkout_is(wheel: Path, tmp_path: Path) -> None:
    """Installed into a folder of its own, with the libraries of this environment and neither torch nor librosa."""
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "for name in ('torch', 'librosa', 'scipy', 'onnx'): sys.modules[name] = None\n"
        "import listener; assert listener.__file__.startswith(sys.argv[1]), listener.__file__\n"
        "from listener.cli.main import main\n"
        "sys.exit(main(['classify', listener.__path__[0] + '/assets/demo.ogg']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, site], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "smoke_alarm" in done.stdout
