"""Expect an error by its code."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from listener.errors import ListenerError


@contextmanager
def raises(code: str, names: str = "") -> Iterator[None]:
    """Expect an error with this code, whose text holds a name."""
    with pytest.raises(ListenerError) as caught:
        yield
    assert caught.value.code == code
    assert names in str(caught.value)
