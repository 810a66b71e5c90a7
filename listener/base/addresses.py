"""Addresses at which this machine listens, and settings of TCP connections."""

import ipaddress
import re
import socket

from listener.errors import ConfigError

Address = tuple[str, int]  # host and port; port 0 is any free port

KEEPALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}  # tcp(7): seconds, and a count


def parse_address(text: str, key: str, example: str) -> Address:
    """Read `127.0.0.1:8790`, `[::1]:8790` or `localhost:8790`.

    Args:
        text: The address.
        key: The key of the configuration, for the error.
        example: A valid address, for the error.

    Raises:
        ConfigError: It is not an address with a port (`address-invalid`).
    """
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    if not _is_ip(host) or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        message = f"{key}: {text!r} is not an address with a port"
        raise ConfigError(message, code="address-invalid", remedy=f"Write, for example, {example}.")
    return host, int(port)


def parse_listen_address(text: str, key: str, example: str, *, guarded: bool) -> Address:
    """Read an address at which to listen; `guarded` if clients need a token.

    Raises:
        ConfigError: It is invalid, or other machines could connect without a token (`address-open`).
    """
    address = parse_address(text, key, example)
    if not is_loopback(address) and not guarded:
        remedy = f"Set token_file to a file with a token, or write {example} for this machine alone."
        raise ConfigError(f"{key}: {text} is open to other machines", code="address-open", remedy=remedy)
    return address


def check_host(host: str, key: str) -> None:
    """Refuse a URL or a host with a port where only the name of a host goes.

    Raises:
        ConfigError: It is not the name or address of a host (`host-invalid`).
    """
    name = re.sub(r"^[a-z][a-z0-9+.-]*://", "", host, flags=re.IGNORECASE).split("/")[0].rpartition("@")[2]
    if name.count(":") == 1:
        name = name.partition(":")[0]
    if not host or name != host or re.search(r"\s", host):
        remedy = f"Write {key} = {name!r}; a port has a key of its own." if name else "Write the name of the host."
        raise ConfigError(f"{key}: {host!r} is not the name of a host", code="host-invalid", remedy=remedy)


def is_loopback(address: Address) -> bool:
    """Tell whether only this machine can connect to an address."""
    return ipaddress.ip_address(address[0]).is_loopback


def enable_keepalive(connection: socket.socket) -> None:
    """Let a connection end within a minute if the other machine loses its power.

    On Linux, connections that a listening socket accepts inherit this.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
