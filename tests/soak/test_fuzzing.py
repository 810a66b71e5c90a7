"""Malformed input is refused with our errors, and the run that says so can tell when it is not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from soak.fuzzing.inputs import run
from soak.fuzzing.targets import TARGETS, Take, Target

INPUTS = 150


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # numpy's, about filter banks that Python 2 might have written
@pytest.mark.parametrize("name", TARGETS)
def test_what_is_malformed_is_refused_and_no_more(name: str, tmp_path: Path) -> None:
    assert run(TARGETS[name], INPUTS, 1, tmp_path).count == INPUTS


@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name].refusals])
def test_what_is_well_formed_is_taken(name: str, tmp_path: Path) -> None:
    """Else nothing behind the first check would ever be reached."""
    with TARGETS[name].opened(tmp_path) as take:
        take(TARGETS[name].seeds[0])


def test_a_fault_is_found_with_a_small_input_that_shows_it(tmp_path: Path) -> None:
    @contextmanager
    def careless(_scratch: Path) -> Iterator[Take]:
        def take(text: bytes) -> None:
            if b"9223372036854775809" in text:
                raise ZeroDivisionError

        yield take

    with pytest.raises(ZeroDivisionError):
        run(Target(careless, [b"1 2"]), 500, 1, tmp_path)
    assert len((tmp_path / "input").read_bytes()) < 30


def test_the_same_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    taken: list[bytes] = []

    @contextmanager
    def noting(_scratch: Path) -> Iterator[Take]:
        yield taken.append

    for _ in range(2):
        run(Target(noting, [b'{"on": 0.5}']), 50, 3, tmp_path)
    assert taken[:50] == taken[50:]
    assert len(set(taken)) > 30
