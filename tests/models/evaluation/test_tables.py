"""Tables that commands hand to each other: what is written is read, and what cannot be is said beforehand."""

import json
from pathlib import Path

import pytest

from models.data.recordings import DataError
from models.evaluation.tables import check_place, read_table, write_table


def test_a_table_is_json_with_a_row_a_line(tmp_path: Path) -> None:
    write_table(tmp_path / "new" / "table.json", [{"a": 1}, {"a": 2}], "said")
    text = (tmp_path / "new" / "table.json").read_text()
    assert json.loads(text) == {"rows": [{"a": 1}, {"a": 2}], "note": "said"}
    assert len(text.splitlines()) == 5


@pytest.mark.parametrize("content", [[{"a": 1}], {"rows": [{"a": 1}], "note": "n"}])
def test_a_table_is_a_list_of_rows_or_an_object_that_holds_one(content: object, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps(content))
    assert read_table(tmp_path / "t.json")["rows"] == [{"a": 1}]


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("[1, 2]")
    with pytest.raises(DataError, match="no table"):
        read_table(tmp_path / "t.json")


def test_a_place_that_nothing_can_be_written_to_is_named_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, why in ((tmp_path, "is a folder"), (tmp_path / "file" / "t.json", "no folder can be made")):
        with pytest.raises(DataError, match=why):
            check_place(place)
    check_place(tmp_path / "new" / "t.json")
    assert (tmp_path / "new").is_dir()
