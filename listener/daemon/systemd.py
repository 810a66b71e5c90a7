"""State notifications for systemd (sd_notify(3))."""

import logging
import socket

from listener.base import paths

log = logging.getLogger(__name__)


def notify(*states: str) -> bool:
    """Send states to systemd, for example `notify("READY=1", "STATUS=listening")`. Neither raises nor waits.

    Returns:
        Whether systemd got them.
    """
    address = paths.notify_socket()
    if address is None:
        return False
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.setblocking(False)
            manager.sendto("\n".join(states).encode(), address)
    except OSError as err:
        log.debug("systemd did not get %s: %s", states, err)
        return False
    return True
