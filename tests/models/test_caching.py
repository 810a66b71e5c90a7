"""What is kept on disk: named by contents, made by one process at a time."""

import multiprocessing
import os
from pathlib import Path

from models.caching import digest, only_one


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
