"""Events as HTTP requests: to a program of your own, ntfy, Slack or Discord."""

import hashlib
import hmac
import logging
import socket
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from listener import messages
from listener.base import credentials, paths
from listener.base.requirements import Requirements
from listener.base.schema import Meta, Section
from listener.base.trouble import Trouble
from listener.errors import ConfigError
from listener.messages import Event
from listener.routing.first_seen import FirstSeen
from listener.routing.sink import BaseSink
from listener.sinks.webhook import http, templates
from listener.sinks.webhook.sender import Answer, Sender
from listener.storage.spool import MOST_LINES, Spool, own_spool

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

SIGNATURE = "X-Listener-Signature"
MOST_READ_BYTES = 4096  # of an answer: enough to keep the connection, whatever a receiver sends


class WebhookConfig(Section, frozen=True):
    """A receiver of HTTP requests."""

    url: Annotated[
        str, Meta(description="where to POST, as https://example.org/hook; for ntfy it ends with the topic")
    ] = ""
    template: Annotated[templates.Template, Meta(description="plain (the event line), ntfy, slack or discord")] = (
        "plain"
    )
    each_phase: Annotated[
        bool, Meta(description="true: each start, update and end; false: once an event, when it is first reported")
    ] = False
    token_file: Annotated[
        str, Meta(description="file with a token, sent as Authorization: Bearer; or the name of a systemd credential")
    ] = ""
    secret_file: Annotated[
        str, Meta(description="file with a secret, or a credential: signs each body in X-Listener-Signature")
    ] = ""
    headers: Annotated[dict[str, str], Meta(description='further headers, as {"X-Room" = "kitchen"}')] = {}  # noqa: RUF012 - msgspec gives each struct its own
    ca_file: Annotated[str, Meta(description="trust only the certificates in this PEM file; empty: the usual ones")] = (
        ""
    )
    verify: Annotated[bool, Meta(description="false: trust anybody who answers; only ever for a test")] = True
    connect_s: Annotated[float, Meta(gt=0, le=60, description="a connection is to be there after so long")] = 5.0
    timeout_s: Annotated[float, Meta(gt=0, le=600, description="and the answer after so long in all")] = 10.0
    longest_pause_s: Annotated[
        float, Meta(gt=0, le=3600, description="tried again after 1 s, then twice as long each time, up to this")
    ] = 60.0
    most_waiting: Annotated[
        int, Meta(ge=1, le=1_000_000, description="so many events wait on disk while it is away; older are dropped")
    ] = MOST_LINES
    oldest_s: Annotated[float, Meta(gt=0, description="what has waited for so long is dropped")] = 86_400.0


class Webhook(BaseSink):
    """Events as HTTP POST requests, one at a time and in order; they wait on disk while the receiver is away."""

    Config = WebhookConfig

    def __init__(self, config: WebhookConfig, hello: messages.Hello) -> None:
        self._config = config
        self._target = _target(config)
        self._headers = http.headers(config.headers, hello.version)
        self._first = FirstSeen()
        self._spool: Spool | None = None
        self._sender: Sender | None = None

    @property
    def requirements(self) -> Requirements:
        config = self._config
        secrets = {"token_file": config.token_file, "secret_file": config.secret_file}
        return Requirements(
            secrets={key: name for key, name in secrets.items() if name},
            reads={"ca_file": paths.expanded(config.ca_file)} if config.ca_file else {},
            folders=(paths.state_folder(),),
        )

    def probe(self) -> str:
        """Connect, and say how. SinkError where that fails. Nothing is sent, for a receiver may act on any request."""
        import httpx

        config, url = self._config, httpx.URL(self._target.url)
        credentials.secret("webhook: secret_file", config.secret_file)
        credentials.token("webhook: token_file", config.token_file)
        context = httpx.create_ssl_context(verify=http.trusted(config.ca_file, config.verify))
        return http.reach(url.host, url.port, context if url.scheme == "https" else None, config.connect_s)

    @property
    def lost(self) -> int:
        """Events that the receiver refused, or that waited too long or were too many."""
        refused = self._sender.refused if self._sender else 0
        return refused + (self._spool.dropped if self._spool is not None else 0)

    @property
    def waiting(self) -> int:
        """Events that wait on disk."""
        return len(self._spool) if self._spool is not None else 0

    def open(self) -> None:
        if self._sender is not None:
            return
        for library in ("httpx", "httpcore"):  # they log whole addresses and headers, passwords included
            logging.getLogger(library).setLevel(logging.WARNING)
        name = f"webhook-{hashlib.sha256(self._config.url.encode()).hexdigest()[:12]}"
        with ExitStack() as held:
            receiver = _Receiver(self._config, self._target, self._headers)
            held.callback(receiver.close)
            self._spool = own_spool(paths.state_folder(), name, self._new_spool, held)
            trouble = Trouble(self._target.name, log)
            self._sender = Sender(self._spool, receiver, held.pop_all(), trouble, self._config.longest_pause_s)
        self._sender.start()

    def emit(self, event: Event) -> None:
        if self._sender and (self._config.each_phase or self._first(event)):
            self._sender.put(messages.encode(event))

    def close(self) -> None:
        if self._sender:
            self._sender.close()

    def _new_spool(self, path: Path) -> Spool:
        return Spool(path, most=self._config.most_waiting, oldest_s=self._config.oldest_s)


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, and what that is called in logs: the host, for paths and queries hold secrets."""

    url: str
    topic: str  # ntfy's
    name: str


class _Receiver:
    """The other side of a connection that is kept for a while. One thread delivers."""

    def __init__(self, config: WebhookConfig, target: Target, headers: Mapping[str, bytes]) -> None:
        import httpx

        self._target, self._template, self._timeout_s = target, config.template, config.timeout_s
        self._secret = credentials.secret("webhook: secret_file", config.secret_file)
        token = credentials.token("webhook: token_file", config.token_file)
        bearer = {"authorization": b"Bearer " + token} if token else {}
        self._client = httpx.Client(
            headers=[(name.encode(), value) for name, value in (bearer | dict(headers)).items()],
            verify=http.trusted(config.ca_file, config.verify),
            timeout=httpx.Timeout(config.timeout_s, connect=min(config.connect_s, config.timeout_s)),
            limits=httpx.Limits(max_connections=1),
            follow_redirects=False,
        )
        self._stream: Any = None  # httpcore's, under the request that is under way
        self._late = False

    def deliver(self, line: bytes) -> Answer:
        """POST an event. The answer's status is what counts, however its body goes on."""
        import httpx

        event = _event(line)
        if event is None:
            return Answer("refused", "a line that waited is of another version")
        body = templates.body(self._template, event, self._target.topic)
        answer: Answer | None = None
        try:
            with self._in_time(), self._post(body) as response:
                answer = http.judged(response.status_code, response.headers.get("retry-after", ""))
                _read_a_little(response)
        except httpx.TransportError as err:
            answer = answer or Answer("later", self._meaning(err))
        finally:
            self._client.cookies.clear()
        return answer

    def abort(self) -> None:
        """Cut the connection off. A socket that is only closed would not wake who reads from it."""
        stream = self._stream
        ours = stream.get_extra_info("socket") if stream else None
        if ours is not None:
            with suppress(OSError):  # it was over already
                socket.socket.shutdown(ours, socket.SHUT_RDWR)  # not TLS's, which is for the reading thread only

    def close(self) -> None:
        self._client.close()

    def _post(self, body: bytes) -> Any:
        headers = {}
        if self._secret:
            headers[SIGNATURE] = f"sha256={hmac.new(self._secret, body, 'sha256').hexdigest()}"
        extensions = {"trace": self._notice}
        return self._client.stream("POST", self._target.url, content=body, headers=headers, extensions=extensions)

    def _notice(self, name: str, info: Mapping[str, Any]) -> None:
        """https://www.encode.io/httpcore/extensions/#trace"""
        if name.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = info["return_value"]

    def _in_time(self) -> ExitStack:
        """Cuts off what takes too long in all: httpx's own limit starts anew with every byte that trickles in."""
        self._late = False
        timer = threading.Timer(self._timeout_s, self._cut_off)
        timer.daemon = True
        timer.start()
        stack = ExitStack()
        stack.callback(timer.cancel)
        return stack

    def _cut_off(self) -> None:
        self._late = True
        self.abort()

    def _meaning(self, err: "httpx.TransportError") -> str:
        import httpx

        if isinstance(err, httpx.ConnectTimeout):
            return "cannot be reached in time"
        if self._late or isinstance(err, httpx.TimeoutException):
            return f"gave no whole answer in {self._timeout_s:g} s"
        if "CERTIFICATE_VERIFY_FAILED" in str(err):
            return f"is not trusted ({err}); if the certificate is your own, name it with ca_file"
        if isinstance(err, httpx.ConnectError):
            return f"cannot be reached ({err})"
        return f"broke off ({type(err).__name__})"


def _target(config: WebhookConfig) -> Target:
    """Where to send. ConfigError where that is no address, or httpx is not there."""
    example = "write it as https://example.org/hook"
    if not config.url:
        raise ConfigError(f"webhook: url is empty; {example}")
    try:
        import httpx
    except ImportError as err:
        raise ConfigError("webhook: httpx is not installed; install it with: pip install 'listener[webhook]'") from err
    try:
        url = httpx.URL(config.url)
    except httpx.InvalidURL as err:
        raise ConfigError(f"webhook: url is no address ({err}); {example}") from err
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(f"webhook: url is no address of a web server; {example}")
    if not 0 < (url.port or 80) < 65536:
        raise ConfigError(f"webhook: url has port {url.port}, which is none; {example}")
    name = f"webhook {url.host}{f':{url.port}' if url.port else ''}"
    if config.template != "ntfy":
        return Target(str(url), "", name)
    server, _, topic = url.path.rstrip("/").rpartition("/")
    if not topic:
        raise ConfigError("webhook: url names no topic; for ntfy write it as https://ntfy.sh/your-topic")
    return Target(str(url.copy_with(path=f"{server}/")), topic, name)


def _event(line: bytes) -> Event | None:
    """What waited on disk, perhaps since an older version of this program."""
    try:
        message = messages.decode(line)
    except ValueError:
        return None
    return message if isinstance(message, Event) else None


def _read_a_little(response: "httpx.Response") -> None:
    """What is short is read, so that the connection can be kept; what is long is left, and the connection closed."""
    read = 0
    for chunk in response.iter_raw():
        read += len(chunk)
        if read > MOST_READ_BYTES:
            return
