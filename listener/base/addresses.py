"""Addresses of this machine to listen at, as a configuration writes them, and what every connection over TCP needs."""

import ipaddress
import socket

from listener.errors import ConfigError

Address = tuple[str, int]  # host and port; port 0 is whichever is free

KEEPALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}  # tcp(7): seconds, and how often


def parsed(text: str, key: str, example: str) -> Address:
    """The address `127.0.0.1:8790`, `[::1]:8790` or `localhost:8790`. ConfigError, of this key, where it is none."""
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    if not _is_ip(host) or not (port.isascii() and port.isdecimal() and len(port) <= 5) or int(port) > 65535:
        raise ConfigError(f"{key}: {text!r} is no address and port; write {example}")
    return host, int(port)


def of_door(text: str, key: str, example: str, *, guarded: bool) -> Address:
    """Likewise. ConfigError too where it lets other machines in that nobody asks for a token."""
    found = parsed(text, key, example)
    if not is_loopback(found) and not guarded:
        raise ConfigError(
            f"{key}: {text} lets other machines in; set token_file to a file with a token that they must show, or "
            f"write {example} for this machine alone"
        )
    return found


def is_loopback(address: Address) -> bool:
    """Whether only this machine gets there."""
    return ipaddress.ip_address(address[0]).is_loopback


def notice_the_gone(connection: socket.socket) -> None:
    """Have it end within a minute of the other machine losing its power, which tells nobody.

    Of a socket that listens, Linux hands this on to the connections that it accepts.
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
