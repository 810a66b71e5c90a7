"""Mutants differ from the source in one place, and a test that checks nothing lets them live."""

import ast

import pytest

from scripts.mutate import CORE, ROOT, mutants

SOURCE = '''
def f(a, b):
    """Doc."""
    if a < b and not a:
        print(a)
    return a + b
'''


def test_each_mutant_changes_one_thing() -> None:
    changed = [mutant.source for mutant in mutants(SOURCE)]
    plain = ast.unparse(ast.parse(SOURCE)).splitlines()
    for text in changed:
        assert len(text.splitlines()) == len(plain)
        assert sum(one != other for one, other in zip(text.splitlines(), plain, strict=True)) == 1
    assert any("a >= b" in text for text in changed)
    assert any(" or " in text for text in changed)
    assert any("a - b" in text for text in changed)
    assert any("return None" in text for text in changed)


def test_boundaries_are_tried_alone() -> None:
    assert ["a <= b" in mutant.source for mutant in mutants(SOURCE, boundaries=True)] == [True]


@pytest.mark.parametrize("name", CORE)
def test_every_core_file_and_its_tests_exist(name: str) -> None:
    paths = [ROOT / "listener" / name, *(ROOT / "tests" / test for test in CORE[name])]
    assert [path for path in paths if not path.is_file()] == []
