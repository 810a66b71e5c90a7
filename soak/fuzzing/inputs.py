"""Malformed inputs: well-formed ones with a few random edits, and the run that gives them to a target."""

import os
import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from bench import processes
from soak.fuzzing.targets import Take, Target

HANG = 30_000  # ms that an input may take on a busy machine
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
NUMBERS = (b"0", b"-1", b"1", b"65536", b"2147483648", b"-9223372036854775809", b"1e999", b"nan", b"1e-320", b"0.5")
TOKENS = (b"\x00", b"\xff\xfe", b"\n", b'"', b"\\u0000", b"[" * 500, b"{}", b"null", b"true", b"../..", b"\xe2\x80\xae")
MOST_EDITS = 4


@dataclass(slots=True)
class Tally:
    """How many inputs were given and refused, and by how much the process grew in the second half."""

    count: int = 0
    refused: int = 0
    slowest_ms: float = 0.0
    grown_mb: float = 0.0

    def give(self, text: bytes, take: Take, refusals: tuple[type[Exception], ...]) -> None:
        """Give one input and count it."""
        began = time.perf_counter()
        try:
            take(text)
        except refusals:
            self.refused += 1
        self.count += 1
        self.slowest_ms = max(self.slowest_ms, 1000 * (time.perf_counter() - began))


@st.composite
def malformed(draw: st.DrawFn, seeds: Sequence[bytes], tokens: Sequence[bytes] = ()) -> bytes:
    """A seed with up to four edits: bytes removed, repeated, replaced or inserted, or a number exchanged.

    Args:
        draw: Hypothesis's source of choices.
        seeds: Well-formed inputs.
        tokens: Parts of the format that are inserted besides the usual ones.
    """
    text = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, MOST_EDITS))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from((0, 1, 2, 4, 8, 64, 256))))
        spans = [number.span() for number in NUMBER.finditer(text)]
        exchange: bool = draw(st.booleans())
        if spans and exchange:
            start, end = draw(st.sampled_from(spans))
            new = draw(st.sampled_from(NUMBERS))
        else:
            new = draw(
                st.one_of(st.sampled_from((*TOKENS, *tokens)), st.binary(max_size=16), st.just(text[start:end] * 2))
            )
        text = text[:start] + new + text[end:]
    return text


def run(target: Target, count: int, seed: int, scratch: Path) -> Tally:
    """Give a target inputs; the one that is being tried lies in `scratch`/input, should the process die.

    Args:
        target: Takes the inputs.
        count: Number of inputs.
        seed: Decides the inputs.
        scratch: Folder for the target's files.

    Raises:
        Exception: The target's own, after the input was made as small as possible; it is in the exception's notes.
    """
    tally, half_mb = Tally(), 0.0
    with ExitStack() as stack:
        under_way = stack.enter_context((scratch / "input").open("wb", buffering=0))
        take = stack.enter_context(target.opened(scratch))

        @seeded(seed)
        @settings(
            max_examples=count,
            deadline=HANG,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(malformed(target.seeds, target.tokens))
        def holds(text: bytes) -> None:
            nonlocal half_mb
            under_way.truncate(0)
            os.pwrite(under_way.fileno(), text, 0)
            tally.give(text, take, target.refusals)
            if tally.count == count // 2:
                half_mb = processes.rss_mb(os.getpid())

        holds()
        tally.grown_mb = processes.rss_mb(os.getpid()) - half_mb
    return tally
