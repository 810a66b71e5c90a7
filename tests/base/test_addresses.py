"""Addresses at which this machine listens."""

import pytest

from listener.base.addresses import check_host, is_loopback, parse_address, parse_listen_address
from listener.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8790", ("127.0.0.1", 8790)),
        ("localhost:0", ("127.0.0.1", 0)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_an_address_is_read(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text, "tcp", "127.0.0.1:1") == address
    assert is_loopback(address)


HUGE = "127.0.0.1:" + 4000 * "9"


@pytest.mark.parametrize("text", ["8790", "127.0.0.1", "host:80", "127.0.0.1:65536", "127.0.0.1:\u0661", ":80", HUGE])
def test_what_is_no_address_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(text, "tcp", "127.0.0.1:1")
    assert caught.value.code == "address-invalid"


def test_other_machines_need_a_token() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_listen_address("0.0.0.0:80", "tcp", "127.0.0.1:1", guarded=False)
    assert caught.value.code == "address-open"
    assert parse_listen_address("0.0.0.0:80", "tcp", "127.0.0.1:1", guarded=True) == ("0.0.0.0", 80)


@pytest.mark.parametrize("host", ["broker", "broker.local", "192.168.0.2", "::1", "fe80::1%eth0"])
def test_the_name_or_address_of_a_host_is_accepted(host: str) -> None:
    check_host(host, "host")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("mqtt://broker", "'broker'"),
        ("https://u:p@broker:1883/x", "'broker'"),
        ("broker:1883", "'broker'"),
        ("a b", ""),
    ],
)
def test_a_url_is_no_host(host: str, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_host(host, "host")
    assert caught.value.code == "host-invalid"
    assert name in caught.value.remedy
