"""A bounded, closable queue between two threads that counts what it loses."""

from collections import deque
from collections.abc import Callable, Iterator
from threading import Condition
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

Policy = Literal["drop_oldest", "block"]


def _one(_item: object) -> float:
    return 1.0


class Channel(Generic[T]):
    """A queue of at most `bound`, in whatever `weigh` measures: items if it is left out, seconds of audio for blocks.

    When it is full, `drop_oldest` forgets what has waited longest and counts it in `lost`, until there is room for
    `spare` more than the item that comes: then the losses of a slow consumer lie apart. `block` makes the producer
    wait. An item heavier than the bound passes alone. Iterating gives items until it is closed and empty.
    """

    def __init__(self, bound: float, policy: Policy, weigh: Callable[[T], float] = _one, *, spare: float = 0.0) -> None:
        if bound <= 0:
            raise ValueError(f"a channel needs room: bound is {bound}")
        self._bound = bound
        self._policy = policy
        self._weigh = weigh
        self._spare = spare
        self._waiting: deque[tuple[T, float]] = deque()
        self._weight = 0.0
        self._lost = 0.0
        self._closed = False
        self._changed = Condition()

    @property
    def lost(self) -> float:
        """How much was dropped to make room, in the unit of `weigh`."""
        return self._lost

    @property
    def waiting(self) -> float:
        """How much is in it, in the unit of `weigh`."""
        return self._weight if self._waiting else 0.0

    @property
    def finished(self) -> bool:
        """Whether nothing will ever come out again: closed and drained."""
        with self._changed:
            return self._closed and not self._waiting

    def put(self, item: T, *, wait: bool = False) -> bool:
        """Offer an item; whether it was taken, which it is not after `close`.

        Args:
            item: What goes through the channel.
            wait: Wait for room, whatever the policy.
        """
        weight = self._weigh(item)
        with self._changed:
            if wait or self._policy == "block":
                self._changed.wait_for(lambda: self._closed or self._fits(weight))
            if self._closed:
                return False
            if not self._fits(weight):
                while self._waiting and not self._fits(weight + self._spare):
                    self._lost += self._remove()[1]
            self._waiting.append((item, weight))
            self._weight += weight
            self._changed.notify_all()
            return True

    def close(self, discard: bool = False) -> None:
        """Take nothing more. What waits can still be had, unless it is discarded, which is not counted as lost."""
        with self._changed:
            self._closed = True
            if discard:
                self._forget()
            self._changed.notify_all()

    def closed_within(self, seconds: float) -> bool:
        """Wait so long for it to be closed; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, seconds)

    def discard(self) -> int:
        """Forget what waits; how many items that were."""
        with self._changed:
            count = len(self._waiting)
            self._forget()
            self._changed.notify_all()
            return count

    def __iter__(self) -> Iterator[T]:
        return self.until_starved(None)

    def until_starved(self, timeout_s: float | None) -> Iterator[T]:
        """Items until nothing has come for so long (the channel stays open), or until closed and drained."""
        while taken := self._take(timeout_s):
            yield taken[0]

    def _take(self, timeout_s: float | None) -> tuple[T] | tuple[()]:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting, timeout_s)
            if not self._waiting:
                return ()
            item, _ = self._remove()
            self._changed.notify_all()
            return (item,)

    def _forget(self) -> None:
        self._waiting.clear()
        self._weight = 0.0

    def _fits(self, weight: float) -> bool:
        return not self._waiting or self._weight + weight <= self._bound

    def _remove(self) -> tuple[T, float]:
        item, weight = self._waiting.popleft()
        # Sums of floats drift; an empty queue weighs nothing, whatever months of adding have made of it.
        self._weight = self._weight - weight if self._waiting else 0.0
        return item, weight
