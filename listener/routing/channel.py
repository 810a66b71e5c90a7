"""A bounded queue between two threads that can be closed, and counts what it loses."""

from collections import deque
from collections.abc import Callable, Iterator
from threading import Condition
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

Policy = Literal["drop_oldest", "block"]


def _one(_item: object) -> float:
    return 1.0


class Channel(Generic[T]):
    """A bounded queue. Iteration yields items until the queue is closed and empty.

    Args:
        bound: The most that may wait, in the unit of `weigh`. A single item may be heavier.
        policy: What happens if it is full: `drop_oldest` drops and counts items, `block` makes the producer wait.
        weigh: The weight of an item, for example its seconds of audio; 1 by default.
        spare: How much room `drop_oldest` makes beyond the new item, so that the losses of a slow consumer are apart.
    """

    def __init__(self, bound: float, policy: Policy, weigh: Callable[[T], float] = _one, *, spare: float = 0.0) -> None:
        if bound <= 0:
            raise ValueError(f"bound must be positive, not {bound}")
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
        """How much was dropped, in the unit of `weigh`."""
        return self._lost

    @property
    def waiting(self) -> float:
        """How much waits, in the unit of `weigh`."""
        return self._weight if self._waiting else 0.0

    @property
    def finished(self) -> bool:
        """Whether it is closed and empty."""
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
        """Accept no more items. Those that wait can be taken unless discarded, which is not counted as lost."""
        with self._changed:
            self._closed = True
            if discard:
                self._forget()
            self._changed.notify_all()

    def closed_within(self, seconds: float) -> bool:
        """Wait until it is closed; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, seconds)

    def discard(self) -> int:
        """Remove all items; return how many there were."""
        with self._changed:
            count = len(self._waiting)
            self._forget()
            self._changed.notify_all()
            return count

    def __iter__(self) -> Iterator[T]:
        return self.until_starved(None)

    def until_starved(self, timeout_s: float | None) -> Iterator[T]:
        """Yield items until it is closed and empty, or until none has arrived for `timeout_s`; it stays open then."""
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
        # Sums of floats drift over months; an empty queue weighs exactly nothing.
        self._weight = self._weight - weight if self._waiting else 0.0
        return item, weight
