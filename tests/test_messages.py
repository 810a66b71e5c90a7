"""The wire: one JSON object a line, every key in every phase."""

import json
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from listener import messages
from tests.sinks.messages import HELLO, event, level, status


@pytest.mark.parametrize("message", [HELLO, event(), level(), status(), messages.Error(message="no")])
def test_what_is_encoded_is_one_line_that_decodes_to_the_same(message: messages.Message) -> None:
    line = messages.encode(message)
    assert line.index(b"\n") == len(line) - 1
    assert messages.decode(line) == message


def test_every_key_is_in_every_phase() -> None:
    start = json.loads(messages.encode(event()))
    end = json.loads(messages.encode(event(phase="end", end_s=14.0)))
    assert start.keys() == end.keys()
    assert (start["type"], start["v"], start["end_s"]) == ("event", 1, None)


def test_a_subscription_has_sensible_defaults() -> None:
    asked = messages.decode_request(b'{"subscribe":["level"]}')
    assert asked == messages.Subscribe(subscribe=["level"], labels=None, replay=0)


def test_a_token_is_a_request_of_its_own() -> None:
    assert messages.decode_request(b'{"token":"x"}') == messages.Token(token="x")
    with pytest.raises(messages.RequestError) as caught:
        messages.decode_request(b'{"token":"x","subscribe":[]}')
    assert caught.value.code == "subscription-invalid"


def test_a_command_is_told_from_a_subscription() -> None:
    asked = messages.decode_request(b'{"command":"snooze","what":"rain","for_s":60}')
    assert asked == messages.Command(command="snooze", what="rain", for_s=60)


@pytest.mark.parametrize("line", [b'{"command":"explode"}', b'{"command":"wake","who":"rain"}', b'{"command":3}'])
def test_what_is_no_command_is_named_so(line: bytes) -> None:
    with pytest.raises(messages.RequestError) as caught:
        messages.decode_request(line)
    assert caught.value.code == "command-invalid"


@example(b"[" * 100_000)
@example(b'{"a":' * 60_000)
@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_whatever_a_client_sends_is_a_request_or_an_error(line: bytes) -> None:
    with suppress(messages.RequestError):  # some lines are requests
        messages.decode_request(line)


def test_the_wall_clock_is_utc_with_milliseconds() -> None:
    assert messages.wall_clock(0.12) == "1970-01-01T00:00:00.120Z"
