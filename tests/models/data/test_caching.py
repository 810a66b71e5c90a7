"""What is kept on disk: named by contents, made by one process at a time."""

import importlib.util
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.data import streams, synthesis
from models.data.caching import digest, only_one, sources, whole


def test_a_name_depends_on_contents_and_not_on_times(tmp_path: Path) -> None:
    file = tmp_path / "bark.ogg"
    file.write_bytes(b"woof")
    before = digest("spec", files=(file,))
    os.utime(file, (0, 0))
    assert digest("spec", files=(file,)) == before
    file.write_bytes(b"wuff")
    assert digest("spec", files=(file,)) != before
    assert digest("another", files=(file,)) != digest("spec", files=(file,))


def test_a_file_that_is_not_there_has_a_name_too(tmp_path: Path) -> None:
    assert digest("spec", files=(tmp_path / "absent.ogg",)) != digest("spec")


def _maker(path: Path) -> Callable[[], int]:
    """The function `make` of a module."""
    spec = importlib.util.spec_from_file_location("maker", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make


def test_a_name_depends_on_the_code_that_makes_what_it_names(tmp_path: Path) -> None:
    module = tmp_path / "maker.py"
    module.write_text("def make():\n    return 1\n")
    make = _maker(module)
    before = digest(files=sources(make))
    assert digest(files=sources(make)) == before
    module.write_text("def make():\n    return 2\n")
    assert digest(files=sources(make)) != before


def test_the_code_of_a_package_is_all_of_it() -> None:
    names = [path.name for path in sources(synthesis.synthesise, streams.StreamMixer)]
    assert names == [
        "__init__.py",
        "alarms.py",
        "bells.py",
        "distractors.py",
        "home.py",
        "outdoors.py",
        "tones.py",
        "streams.py",
    ]


def _killed_half_way(path: Path) -> None:
    with whole(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt


def test_what_was_not_written_to_its_end_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "scores.npy"
    with pytest.raises(KeyboardInterrupt):
        _killed_half_way(path)
    assert not path.exists()
    with whole(path) as file:
        np.save(file, np.arange(3))
    assert np.load(path).tolist() == [0, 1, 2]


def _make_once(path: Path, made: Path) -> None:
    with only_one(path):
        if not path.exists():
            with made.open("a") as count:
                count.write("x")
            path.touch()


def test_only_one_of_several_processes_makes_it(tmp_path: Path) -> None:
    path, made = tmp_path / "cache" / "pool", tmp_path / "made"
    processes = [multiprocessing.get_context("fork").Process(target=_make_once, args=(path, made)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert made.read_text() == "x"
