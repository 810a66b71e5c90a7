"""HTTP rules for headers, certificates and answers, without a library."""

import re
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from listener.base import paths
from listener.errors import ConfigError, SinkError
from listener.sinks.webhook.sender import Answer

MAX_AFTER_S = 3600.0  # the longest Retry-After that is obeyed
AWAY = (408, 425, 429, 502, 503, 504)  # of the receiver or a proxy, not of this event
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # of a header, RFC 9110, 5.6.2
FRAMING = ("content-length", "transfer-encoding", "connection")  # set by httpx
REMEDIES = {401: "token_file", 403: "token_file or secret_file", 404: "url", 405: "url", 410: "url"}


def headers(configured: Mapping[str, str], version: str) -> dict[str, bytes]:
    """Return our headers and the configured ones, which win, or raise ConfigError if one cannot be sent."""
    for name, value in configured.items():
        if not NAME.fullmatch(name) or name.lower() in FRAMING:
            raise _error(f"headers: {name!r} cannot be the name of a header", "header", "Write another name.")
        if not value.isprintable():
            problem = f"headers.{name}: the value has a line break or another control character"
            raise _error(problem, "header", "Remove that character.")
    ours = {"content-type": b"application/json", "user-agent": f"listener/{version}".encode()}
    return ours | {name.lower(): value.strip().encode() for name, value in configured.items()}


def trusted(ca_file: str, verify: bool) -> ssl.SSLContext | bool:
    """Return which certificates to trust: a context for those of a file, False for any, True for the usual ones."""
    if not ca_file or not verify:
        return verify
    try:
        return ssl.create_default_context(cafile=paths.expanded(ca_file))
    except OSError as err:  # ssl.SSLError is one
        raise _error(f"ca_file {ca_file} cannot be used ({err})", "ca-file", "Name a PEM file.") from err


def reach(host: str, port: int | None, context: ssl.SSLContext | None, patience_s: float) -> str:
    """Connect, with TLS if there is a context, and return how; raise SinkError if that fails."""
    port = port or (443 if context else 80)
    try:
        with socket.create_connection((host, port), patience_s) as connection:
            if context is None:
                return f"{host}:{port} answers, without encryption"
            with context.wrap_socket(connection, server_hostname=host) as encrypted:
                return f"{host}:{port} answers with {encrypted.version()}"
    except ssl.SSLCertVerificationError as err:
        problem, remedy = (
            f"{host}:{port} is not trusted ({err.verify_message})",
            "Name your own certificate with ca_file.",
        )
        raise SinkError(problem, code="webhook-certificate", remedy=remedy) from err
    except ssl.SSLError as err:
        problem = f"{host}:{port}: TLS fails ({err.reason})"
        raise SinkError(problem, code="webhook-tls", remedy="Write http:// if it has no TLS.") from err
    except socket.gaierror as err:
        problem, remedy = f"there is no host {host!r} ({err.strerror})", "Check url and the network."
        raise SinkError(problem, code="webhook-host-unknown", remedy=remedy) from err
    except (OSError, ValueError) as err:  # ValueError: a host that cannot be one
        why = getattr(err, "strerror", None) or err
        problem, remedy = f"{host}:{port} cannot be reached ({why})", "Start the receiver, or check url."
        raise SinkError(problem, code="webhook-unreachable", remedy=remedy) from err


def judged(status: int, retry_after: str) -> Answer:
    """Return what a status means for the event that was sent."""
    if 200 <= status < 300:
        return Answer("taken")
    if status in AWAY or status >= 500:
        kind: Literal["later", "failing"] = "later" if status in AWAY else "failing"
        return Answer(kind, f"answers with status {status}", _after_s(retry_after))
    if 300 <= status < 400:
        return Answer("refused", f"answers with a redirect (status {status}), which is not followed (correct url)")
    where = REMEDIES.get(status, "url and template")
    return Answer("refused", f"refuses with status {status} (check {where})")


def _after_s(text: str) -> float:
    """Parse Retry-After, seconds or a date (RFC 9110, 10.2.3); 0 if it says nothing."""
    try:
        after_s = float(text) if text.isdecimal() else _until_s(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(after_s, 0.0), MAX_AFTER_S)


def _until_s(moment: datetime) -> float:
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def _error(message: str, code: str, remedy: str) -> ConfigError:
    return ConfigError(message, code=f"webhook-{code}", remedy=remedy)
