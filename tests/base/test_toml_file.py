"""Line numbers in TOML files."""

import pytest

from listener.base.toml_file import Key, line_of

TEXT = '''top = 1
[gate] # of sounds
kind = """
name = "not a key"
"""
rise_db = 3
[[sink]]
kind = "log"
  [sink.when]
  labels = [
    "a",
  ]
[[sink]]
when.hours = "x"
headers = { a = 1 }
[labels."odd.name"]
'on' = 2
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("top",), 1),
        (("gate",), 2),
        (("gate", "kind"), 3),
        (("gate", "rise_db"), 6),
        (("gate", "name"), 2),
        (("sink", 0), 7),
        (("sink", 0, "kind"), 8),
        (("sink", 0, "when"), 9),
        (("sink", 0, "when", "labels"), 10),
        (("sink", 1), 13),
        (("sink", 1, "when", "hours"), 14),
        (("sink", 1, "headers", "a"), 15),
        (("labels", "odd.name", "on"), 17),
        (("absent",), None),
    ],
)
def test_a_key_is_found_or_else_its_table(key: Key, line: int | None) -> None:
    assert line_of(TEXT, key) == line
