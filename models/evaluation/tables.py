"""Tables that one command writes and a report takes in: a list of rows in JSON, and a note on them."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.data.recordings import DataError

log = logging.getLogger(__name__)

Table = dict[str, Any]  # `rows`, each an object, and a `note`


def check_place(path: Path) -> None:
    """Make the folder of a file that is to be written. DataError where it cannot be: that should not cost minutes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise DataError(f"{path}: no folder can be made for it ({err.strerror}). Name another.") from err
    if path.is_dir():
        raise DataError(f"{path}: is a folder. Name a file in it.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise DataError(f"{path}: cannot be written. Name another, or let this user write there.")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], note: str = "") -> None:
    """Rows as JSON, one a line, and what is to be known about them."""
    check_place(path)
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    path.write_text(f'{{"rows": [\n  {lines}\n],\n "note": {json.dumps(note)}}}\n')
    log.info("wrote %s", path)


def read_table(path: Path) -> Table:
    """`rows` of a JSON file and a `note` on them: it is a list of objects, or an object with one such list."""
    content = read_json(path)
    parts = content if isinstance(content, dict) else {"rows": content}
    lists = [part for part in parts.values() if isinstance(part, list)]
    if len(lists) != 1 or not all(isinstance(row, dict) for row in lists[0]):
        raise DataError(f"{path}: no table. Expected a JSON list of rows, each an object with the same keys.")
    return {"rows": lists[0], "note": str(parts.get("note", ""))}


def read_json(path: Path) -> Any:
    """What a JSON file holds. DataError where it holds none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise DataError(f"{path}: cannot be read ({err}).") from err
