"""The base class of sources."""

import pytest

from listener.sources.base import BaseSource
from tests.fakes import FakeSource


def test_a_source_that_overrides_nothing_else_has_defaults_that_do_nothing() -> None:
    source = FakeSource([])
    source.on_signal_fault()
    assert (source.live, source.silence_timeout_s, source.requirements.program) == (False, 0.0, "")


@pytest.mark.parametrize("name", ["on_signal_falt", "silence_timeout", "block", "requirement"])
def test_a_misspelt_override_is_refused_when_the_class_is_created(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} overrides nothing"):
        type("Misspelt", (FakeSource,), {name: None})


def test_a_source_may_have_names_of_its_own() -> None:
    assert type("Own", (FakeSource,), {"beam_width": 3, "_block": None}).beam_width == 3  # type: ignore[attr-defined]


def test_a_source_without_blocks_cannot_be_created() -> None:
    with pytest.raises(TypeError):
        type("Nothing", (BaseSource,), {"close": lambda _: None})()
