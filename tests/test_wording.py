"""House rules for names, words, sizes and errors, checked over the whole source."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from scripts import make_errors

ROOT = Path(__file__).resolve().parents[1]
CODE = ("listener", "models", "export")
LONGEST = 40  # lines of a function, without decorators
# Turns of phrase that are not idiomatic; REVIEW of the words may find a few that are right where they stand.
TICS = re.compile(
    r"\b(so (long|many|much|often)\b(?! as\b)|whoever|of which|of whom|those who|is to be (had|heard|said)"
    r"|(of|none of) (ours|theirs)|anew)\b",
    re.IGNORECASE,
)
MOST_TICS = 40
# Three or more English words: an assertion on such a text breaks whenever a sentence is improved.
PROSE = re.compile(r"[A-Za-z][a-z']+(?: [A-Za-z][a-z']+){2,}")
MOST_PROSE = 78
MOST_WITHOUT_CODE = 14
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def definitions(folder: str) -> dict[Path, list[Definition]]:
    """The classes and functions of each file of a folder."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    return {
        path: [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, Definition)]
        for path in paths
    }


def defined(*folders: str) -> Iterator[tuple[str, Definition]]:
    """Each class and function of some folders, with its file."""
    for folder in folders:
        for path, nodes in definitions(folder).items():
            yield from ((str(path.relative_to(ROOT)), node) for node in nodes)


def test_no_class_name_is_used_twice() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path, node in defined(*CODE):
        if isinstance(node, ast.ClassDef):
            places[node.name].append(path)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_function_is_too_long() -> None:
    found = [
        f"{path}:{node.lineno} {node.name}"
        for path, node in defined(*CODE, "bench", "soak", "scripts", "tests")
        if not isinstance(node, ast.ClassDef) and (node.end_lineno or 0) - node.lineno >= LONGEST
    ]
    assert found == []


def test_sentences_are_in_plain_english() -> None:
    paths = [path for folder in CODE for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".js", ".html")]
    paths += [ROOT / "README.md", ROOT / "models/README.md", *(ROOT / "docs").rglob("*.md")]
    found = [f"{path.relative_to(ROOT)}: {hit[0]}" for path in paths for hit in TICS.finditer(path.read_text())]
    assert len(found) <= MOST_TICS, found


def test_tests_do_not_depend_on_sentences() -> None:
    found = [
        f"{path}:{node.lineno} {node.name}"
        for path, node in defined("tests")
        if not isinstance(node, ast.ClassDef) and any(map(_is_prose, _asserted(node)))
    ]
    assert len(found) <= MOST_PROSE, found


def _asserted(function: ast.AST) -> Iterator[ast.AST]:
    """What a test asserts, and the patterns that it wants an error to match."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            yield node.test
        elif isinstance(node, ast.Call):
            yield from (keyword.value for keyword in node.keywords if keyword.arg == "match")


def _is_prose(asserted: ast.AST) -> bool:
    texts = (node.value for node in ast.walk(asserted) if isinstance(node, ast.Constant))
    return any(isinstance(text, str) and PROSE.search(text) for text in texts)


def test_every_error_has_a_code() -> None:
    found = list(make_errors.without_code(ROOT / "listener"))
    assert len(found) <= MOST_WITHOUT_CODE, found
