"""The channel: bounded, closable, and honest about what it lost."""

import threading
from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from listener.routing.channel import Channel


def filled(channel: Channel[int], items: range) -> Channel[int]:
    for item in items:
        channel.put(item)
    return channel


def test_items_come_out_in_order_until_it_is_closed_and_drained() -> None:
    channel = filled(Channel(10, "block"), range(5))
    channel.close()
    assert not channel.finished
    assert list(channel) == [0, 1, 2, 3, 4]
    assert channel.finished


def test_a_full_channel_drops_its_oldest_and_counts_them() -> None:
    channel = filled(Channel(3, "drop_oldest"), range(10))
    channel.close()
    assert channel.lost == 7
    assert list(channel) == [7, 8, 9]


def test_the_bound_is_in_the_unit_of_the_weight() -> None:
    channel: Channel[float] = Channel(1.0, "drop_oldest", weigh=lambda seconds: seconds)
    for seconds in (0.5, 0.4, 0.3):
        channel.put(seconds)
    channel.close()
    assert channel.lost == 0.5
    assert list(channel) == [0.4, 0.3]


def test_one_that_makes_room_for_more_gives_a_slow_consumer_long_stretches() -> None:
    channel: Channel[int] = Channel(10, "drop_oldest", spare=5)
    taking, got = iter(channel), []
    for number in range(0, 400, 2):  # twice as fast as they are taken
        filled(channel, range(number, number + 2))
        got.append(next(taking))
    breaks = sum(after != before + 1 for before, after in pairwise(got))
    assert channel.lost + channel.waiting + len(got) == 400
    assert 1 < breaks <= len(got) / 5


def test_after_its_end_nothing_is_taken() -> None:
    channel: Channel[int] = Channel(2, "drop_oldest")
    assert channel.put(1)
    channel.close()
    assert not channel.put(2)
    assert list(channel) == [1]


def test_an_item_heavier_than_the_bound_passes_alone() -> None:
    channel: Channel[float] = Channel(1.0, "block", weigh=lambda seconds: seconds)
    channel.put(5.0)
    assert list(islice(channel, 1)) == [5.0]


def test_a_blocking_channel_makes_the_producer_wait_and_loses_nothing() -> None:
    channel: Channel[int] = Channel(2, "block")

    def produce() -> None:
        filled(channel, range(500)).close()

    producer = threading.Thread(target=produce)
    producer.start()
    assert list(channel) == list(range(500))
    producer.join()
    assert channel.lost == 0


def test_closing_frees_a_producer_that_waits_for_room() -> None:
    channel = filled(Channel(1, "block"), range(1))
    producer = threading.Thread(target=channel.put, args=(1,))
    producer.start()
    channel.close()
    producer.join(5)
    assert not producer.is_alive()


def test_closing_ends_a_consumer_that_waits() -> None:
    channel: Channel[int] = Channel(1, "block")
    got: list[int] = []
    consumer = threading.Thread(target=lambda: got.extend(channel))
    consumer.start()
    channel.close()
    consumer.join(5)
    assert (consumer.is_alive(), got) == (False, [])


def test_closing_with_discard_gives_nothing_more_and_calls_nothing_lost() -> None:
    channel = filled(Channel(9, "drop_oldest"), range(5))
    channel.close(discard=True)
    assert (list(channel), channel.lost, channel.finished) == ([], 0, True)


def test_what_was_discarded_weighs_nothing_any_more() -> None:
    channel: Channel[int] = Channel(4.0, "drop_oldest", float)
    channel.put(3)
    assert channel.discard() == 1
    channel.put(3)
    channel.put(1)
    assert (channel.lost, channel.waiting) == (0.0, 4.0)


def test_what_is_put_after_closing_is_ignored() -> None:
    channel: Channel[int] = Channel(9, "drop_oldest")
    channel.close()
    channel.put(1)
    assert list(channel) == []


def test_starving_ends_the_stretch_and_leaves_the_channel_open() -> None:
    channel = filled(Channel(9, "drop_oldest"), range(2))
    assert list(channel.until_starved(0.01)) == [0, 1]
    assert not channel.finished
    channel.put(2)
    channel.close()
    assert list(channel.until_starved(0.01)) == [2]
    assert channel.finished


@given(st.lists(st.one_of(st.floats(0.01, 20), st.none())), st.floats(0.1, 10))
def test_whatever_happens_nothing_is_reordered_nothing_vanishes_uncounted(
    steps: list[float | None], bound: float
) -> None:
    """A number is put; None takes one out."""
    channel: Channel[tuple[int, float]] = Channel(bound, "drop_oldest", weigh=lambda item: item[1])
    put, got = [], []
    for number, weight in enumerate(steps):
        if weight is None:
            got += list(islice(channel.until_starved(0), 1))
        else:
            put.append((number, weight))
            channel.put((number, weight))
    channel.close()
    rest = list(channel)
    got += rest
    assert got == sorted(set(got))
    assert set(got) <= set(put)
    assert abs(sum(w for _, w in put) - sum(w for _, w in got) - channel.lost) < 1e-6
    assert len(rest) <= 1 or sum(weight for _, weight in rest) <= bound + 1e-6
