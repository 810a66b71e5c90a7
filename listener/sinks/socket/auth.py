"""Authentication on TCP: clients send the token first. A wrong one is answered late."""

import hmac
import logging
import time
from collections import Counter
from collections.abc import Sequence

from listener import messages
from listener.base import credentials
from listener.base.incidents import IncidentLog
from listener.sinks.socket.connection import SocketClient

log = logging.getLogger(__name__)

AUTH_S = 3.0  # a client has this long to send its token
WRONG_S = 1.0  # before a wrong one is answered
MAX_UNAUTHENTICATED = 64
NEEDED = "a token is needed first; give the client the daemon's token_file, as --token-file FILE"
WRONG = "the token is wrong; give the client the daemon's token_file"


class Authenticator:
    """Admits clients that send the token. Without a token, all are admitted. For the server's thread."""

    def __init__(self, token: bytes) -> None:
        self._token = credentials.check_length("token_file", token)
        self._incidents = IncidentLog("socket", log)

    def challenge(self, client: SocketClient) -> bool:
        """Tell whether a new client has to send the token. Until then it gets nothing, not even a greeting."""
        if self._token:
            client.kinds, client.auth_deadline, client.reason = frozenset(), time.monotonic() + AUTH_S, NEEDED
        return bool(self._token)

    def authenticate(self, client: SocketClient, line: bytes) -> bool:
        """Tell whether a line of a client is the token. After a wrong one, further lines are ignored."""
        if client.reason == WRONG:
            return False
        if self._is_token(line):
            client.kinds, client.auth_deadline = frozenset({"event"}), None
            return True
        client.auth_deadline, client.reason = time.monotonic() + WRONG_S, WRONG
        self._incidents.report("a client on TCP sent a wrong token", "token")
        return False

    def _is_token(self, line: bytes) -> bool:
        try:
            sent = messages.decode_request(line)
        except ValueError:
            return False
        return isinstance(sent, messages.Token) and hmac.compare_digest(sent.token.encode(), self._token)


def surplus(clients: Sequence[SocketClient]) -> SocketClient | None:
    """Choose the client to disconnect if too many have not sent a token.

    It is the one that has waited longest of the host that has most: silent connections and wrong tokens then cannot
    keep out a client that sends the right one at once.
    """
    pending = [client for client in clients if client.auth_deadline is not None]
    if len(pending) <= MAX_UNAUTHENTICATED:
        return None
    crowded = Counter(client.host for client in pending).most_common(1)[0][0]
    return min((client for client in pending if client.host == crowded), key=lambda client: client.connected_at)
