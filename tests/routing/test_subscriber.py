"""The lines that wait for a receiver are bounded, and the important ones come first."""

from listener.routing.subscriber import Subscriber


def subscriber(max_bytes: int = 1000) -> Subscriber:
    return Subscriber({"event": 2, "level": 1}, max_bytes)


def drained(lanes: Subscriber) -> list[bytes]:
    return list(iter(lanes.next_line, b""))


def test_lines_come_in_the_order_of_their_lanes() -> None:
    lanes = subscriber()
    assert lanes.offer("level", b"quiet")
    assert lanes.offer("event", b"dog")
    assert lanes.waiting_bytes == 8
    assert drained(lanes) == [b"dog", b"quiet"]
    assert (lanes.waiting_bytes, lanes.lost) == (0, 0)


def test_a_full_lane_loses_its_oldest_line() -> None:
    lanes = subscriber()
    assert [lanes.offer("event", line) for line in (b"1", b"2", b"3")] == [True, True, False]
    assert (drained(lanes), lanes.lost) == ([b"2", b"3"], 1)


def test_with_too_many_bytes_the_last_lane_loses_first() -> None:
    lanes = subscriber(max_bytes=10)
    lanes.offer("level", b"12345")
    lanes.offer("event", b"12345")
    assert not lanes.is_full("event", 0)
    assert lanes.is_full("event", 1)
    lanes.offer("event", b"1")
    assert (drained(lanes), lanes.lost) == ([b"12345", b"1"], 1)


def test_a_lane_can_be_taken_and_all_be_cleared() -> None:
    lanes = subscriber()
    for kind in ("event", "level"):
        lanes.offer(kind, b"line")
    assert (lanes.take("event"), lanes.waiting_bytes) == ([b"line"], 4)
    lanes.clear()
    assert (drained(lanes), lanes.waiting_bytes) == ([], 0)


def test_kinds_and_labels_select() -> None:
    lanes = Subscriber({"event": 1}, 10, frozenset({"event"}), frozenset({"siren"}))
    wanted = [lanes.wants("event"), lanes.wants("level"), lanes.wants("event", "siren"), lanes.wants("event", "rain")]
    assert wanted == [True, False, True, False]
