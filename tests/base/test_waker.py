"""A waker ends the wait of a selector."""

import select

from listener.base.waker import Waker


def test_it_is_readable_from_a_wake_until_it_is_cleared() -> None:
    waker = Waker()
    assert not select.select([waker], [], [], 0)[0]
    for _ in range(100_000):  # more than fit in its buffer
        waker.wake()
    assert select.select([waker], [], [], 0)[0] == [waker]
    while select.select([waker], [], [], 0)[0]:
        waker.clear()
    waker.clear()
    waker.close()
    waker.wake()
