"""Changes to an input: some that anybody's bad luck makes, some that only malice does."""

import random
import re
from collections.abc import Sequence

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
NUMBERS = (b"0", b"-1", b"1", b"65536", b"2147483648", b"-9223372036854775809", b"1e999", b"nan", b"1e-320", b"0.5")
TOKENS = (
    b"\x00",
    b"\xff\xfe",
    b"\n",
    b'"',
    b"\\u0000",
    b"[" * 500,
    b"{}",
    b"null",
    b"true",
    "é\u202e".encode(),
    b"../..",
)
MOST_ADDED = 4096
CHANGES = (1, 1, 1, 2, 4)  # most inputs are nearly right: they get furthest


def each_number_replaced(text: bytes) -> list[bytes]:
    """The text with one number changed, once for each number and each that is trouble."""
    found = list(NUMBER.finditer(text))
    return [text[: at.start()] + number + text[at.end() :] for at in found for number in NUMBERS]


class Mutator:
    """Makes one input of others. `tokens` are what the format in question is made of."""

    def __init__(self, choice: random.Random, tokens: Sequence[bytes] = ()) -> None:
        self._choice = choice
        self._tokens = (*TOKENS, *tokens)
        self._changes = (self._flip, self._set, self._delete, self._repeat, self._insert, self._number, self._noise)

    def __call__(self, corpus: Sequence[bytes]) -> bytes:
        """An input like one of the corpus."""
        chosen = self._choice.choice(corpus)
        changed = bytearray(chosen)
        if self._choice.random() < 0.1:
            changed = self._spliced(changed, self._choice.choice(corpus))
        for _ in range(self._choice.choice(CHANGES)):
            changed = self._choice.choice(self._changes)(changed)
        return bytes(changed[: len(chosen) + MOST_ADDED])

    def _spliced(self, one: bytearray, other: bytes) -> bytearray:
        return one[: self._at(one)] + other[self._at(other) :]

    def _at(self, text: bytes | bytearray) -> int:
        return self._choice.randint(0, len(text))

    def _slice(self, text: bytearray) -> slice:
        at = self._at(text)
        return slice(at, at + min(len(text), 1 << self._choice.randint(0, 8)))

    def _flip(self, text: bytearray) -> bytearray:
        if text:
            text[self._choice.randrange(len(text))] ^= 1 << self._choice.randrange(8)
        return text

    def _set(self, text: bytearray) -> bytearray:
        if text:
            text[self._choice.randrange(len(text))] = self._choice.choice((0, 1, 0x7F, 0x80, 0xFF))
        return text

    def _delete(self, text: bytearray) -> bytearray:
        del text[self._slice(text)]
        return text

    def _repeat(self, text: bytearray) -> bytearray:
        part = self._slice(text)
        return text[: part.stop] + text[part] + text[part.stop :]

    def _insert(self, text: bytearray) -> bytearray:
        at = self._at(text)
        return text[:at] + self._choice.choice(self._tokens) + text[at:]

    def _number(self, text: bytearray) -> bytearray:
        found = list(NUMBER.finditer(text))
        if not found:
            return self._insert(text)
        number = self._choice.choice(found)
        return text[: number.start()] + self._choice.choice(NUMBERS) + text[number.end() :]

    def _noise(self, text: bytearray) -> bytearray:
        at = self._at(text)
        return text[:at] + self._choice.randbytes(self._choice.randint(1, 16)) + text[at:]
