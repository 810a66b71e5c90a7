"""What HTTP says of headers, secrets and answers, without a library."""

import re
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from listener.base import paths
from listener.errors import ConfigError, SinkError
from listener.sinks.webhook.sender import Answer

LONGEST_AFTER_S = 3600.0  # a receiver may ask to be left alone for so long
TRY_AGAIN = (408, 425, 429)  # and all from 500
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # of a header, RFC 9110, 5.6.2
FRAMING = ("content-length", "transfer-encoding", "connection")  # httpx's own business
REMEDIES = {401: "token_file", 403: "token_file or secret_file", 404: "url", 405: "url", 410: "url"}


def headers(configured: Mapping[str, str], version: str) -> dict[str, bytes]:
    """Ours, and the configured ones, which win. ConfigError where one cannot be sent."""
    for name, value in configured.items():
        if not NAME.fullmatch(name) or name.lower() in FRAMING:
            raise ConfigError(f"webhook: headers: {name!r} cannot be the name of a header")
        if not value.isprintable():
            raise ConfigError(
                f"webhook: headers.{name}: its value holds a line break or another character that has no place"
            )
    ours = {"content-type": b"application/json", "user-agent": f"listener/{version}".encode()}
    return ours | {name.lower(): value.strip().encode() for name, value in configured.items()}


def trusted(ca_file: str, verify: bool) -> ssl.SSLContext | bool:
    """Whose certificates are believed: those of a file, everybody's, or True for the usual ones."""
    if not ca_file or not verify:
        return verify
    try:
        return ssl.create_default_context(cafile=paths.expanded(ca_file))
    except OSError as err:  # ssl.SSLError is one
        raise ConfigError(f"webhook: ca_file {ca_file}: cannot be used ({err}); give a PEM file") from err


def reach(host: str, port: int | None, context: ssl.SSLContext | None, patience_s: float) -> str:
    """Connect, with TLS where there is a context, and go; what was found. SinkError where nobody is there to trust."""
    port = port or (443 if context else 80)
    try:
        with socket.create_connection((host, port), patience_s) as connection:
            if context is None:
                return f"{host}:{port} answers, without encryption"
            with context.wrap_socket(connection, server_hostname=host) as encrypted:
                return f"{host}:{port} answers with {encrypted.version()}"
    except ssl.SSLCertVerificationError as err:
        remedy = "if the certificate is your own, name it with ca_file"
        raise SinkError(f"webhook: {host}:{port} is not trusted ({err.verify_message}); {remedy}") from err
    except ssl.SSLError as err:
        raise SinkError(f"webhook: {host}:{port}: TLS fails ({err.reason}); write http:// if it has none") from err
    except socket.gaierror as err:
        raise SinkError(f"webhook: {host}: no such host ({err.strerror}); check url and the network") from err
    except (OSError, ValueError) as err:  # ValueError: a host that cannot be one
        why = getattr(err, "strerror", None) or err
        raise SinkError(f"webhook: {host}:{port} cannot be reached ({why}); start the receiver, or check url") from err


def judged(status: int, retry_after: str) -> Answer:
    """What a status says of the event that was sent."""
    if 200 <= status < 300:
        return Answer("taken")
    if status in TRY_AGAIN or status >= 500:
        return Answer("later", f"answers with status {status}", _after_s(retry_after))
    if 300 <= status < 400:
        return Answer("refused", f"answers with a redirect (status {status}), which is not followed; correct url")
    return Answer("refused", f"refuses with status {status}; look at {REMEDIES.get(status, 'url and template')}")


def _after_s(text: str) -> float:
    """Retry-After, seconds or a date, RFC 9110, 10.2.3; 0 where it says nothing."""
    try:
        after_s = float(text) if text.isdecimal() else _until_s(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(after_s, 0.0), LONGEST_AFTER_S)


def _until_s(moment: datetime) -> float:
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
