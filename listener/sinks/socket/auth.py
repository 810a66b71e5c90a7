"""Who is let in by TCP: whoever shows the token. Those who guess are few at a time, and slow."""

import hmac
import logging
import time

from listener import messages
from listener.base import credentials
from listener.sinks.socket.connection import Peer

log = logging.getLogger(__name__)

PROVE_S = 3.0  # so long a client may take to show its token
WRONG_S = 1.0  # a wrong one is answered no sooner
UNPROVEN = 8  # so many at a time, or many doors would make up for it
NEEDED = "a token is needed first; give the client the daemon's token_file, as --token-file FILE"
WRONG = "the token is wrong; give the client the daemon's token_file"
CROWDED = f"{UNPROVEN} clients are about to show a token; try again in a moment"


class Guard:
    """For the server's thread. Without a token everybody is let in."""

    def __init__(self, token: bytes) -> None:
        self._token = credentials.check_length("socket.token_file", token)
        self._said = False

    def stop(self, peer: Peer) -> bool:
        """Whether this one has to show the token first. Until it has, it gets nothing, not even a greeting."""
        if self._token:
            peer.topics, peer.prove_by, peer.why = frozenset(), time.monotonic() + PROVE_S, NEEDED
        return bool(self._token)

    def lets_in(self, peer: Peer, line: bytes) -> bool:
        """Whether a line shows the token. One that was wrong is not heeded again."""
        if peer.why != WRONG and self._is_right(line):
            peer.topics, peer.prove_by = frozenset({"event"}), None
            return True
        if peer.why != WRONG:
            peer.prove_by, peer.why = time.monotonic() + WRONG_S, WRONG
            log.log(logging.DEBUG if self._said else logging.WARNING, "socket: a client on TCP showed a wrong token")
            self._said = True
        return False

    def _is_right(self, line: bytes) -> bool:
        try:
            shown = messages.decode_request(line)
        except ValueError:
            return False
        return isinstance(shown, messages.Token) and hmac.compare_digest(shown.token.encode(), self._token)
