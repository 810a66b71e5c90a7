"""A scene is kept as long as it would come out the same, and made again when it would not."""

from pathlib import Path

import pytest

from models.data.recordings import DataError
from models.evaluation.scenes import make

TOOL = """
import pathlib, sys
scene = sys.argv[sys.argv.index("--out") + 1]
pathlib.Path(scene + ".json").write_text("{}")
with pathlib.Path(scene + ".calls").open("a") as calls:
    calls.write("x")
"""


class Room:
    """A fake make_scene.py that counts its calls, and a listing of one clip."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tool, self.clip = folder, folder / "make_scene.py", folder / "bark.flac"
        self.tool.write_text(TOOL)
        self.clip.write_bytes(b"woof")
        self.listing = folder / "metadata.csv"
        self.listing.write_text("path,dataset,label,fold\nbark.flac,x,dog_bark,1\n")

    def made(self, *, minutes: float = 20, more: tuple[str, ...] = ()) -> int:
        """How often the scene of seed 1 has been made, after it was asked for."""
        work = self.folder / "work"
        (scene,) = make(work, [self.listing], seeds=[1], minutes=minutes, fold=1, more=more, tool=self.tool)
        return len(scene.with_suffix(".calls").read_text())


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = Room(tmp_path)
    assert room.made() == 1
    return room


def test_a_scene_that_is_there_is_kept(room: Room) -> None:
    assert room.made(minutes=20.0) == 1


def test_another_length_is_another_scene(room: Room) -> None:
    assert room.made(minutes=10) == 2


def test_further_words_make_another_scene(room: Room) -> None:
    assert room.made(more=("--snr", "10,30")) == 2


@pytest.mark.parametrize("what", ["listing", "clip", "tool"])
def test_what_it_is_made_of_makes_another_scene(room: Room, what: str) -> None:
    with getattr(room, what).open("a") as file:
        file.write("\n")
    assert room.made() == 2


def test_a_scene_that_was_not_made_to_its_end_is_made_again(room: Room) -> None:
    good = room.tool.read_text()
    room.tool.write_text(good + "sys.exit('killed')\n")
    with pytest.raises(DataError, match="killed"):
        room.made()
    room.tool.write_text(good)
    assert room.made() == 3
