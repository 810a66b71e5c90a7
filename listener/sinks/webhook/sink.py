"""Send events as HTTP requests: to a program of your own, ntfy, Slack or Discord."""

import hashlib
import hmac
import logging
import socket
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from listener import messages
from listener.base import credentials, paths
from listener.base.incidents import IncidentLog
from listener.base.requirements import Requirements
from listener.base.schema import Meta
from listener.errors import ConfigError
from listener.messages import Event
from listener.routing.first_seen import FirstSeen
from listener.routing.sink import BaseSink, SinkConfig
from listener.sinks.webhook import http, templates
from listener.sinks.webhook.sender import Answer, Sender
from listener.storage.spool import MAX_LINES, Spool, open_spool, spool_name

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

SIGNATURE = "X-Listener-Signature"
MAX_READ_BYTES = 4096  # of an answer; a connection is kept if the answer is shorter


class WebhookConfig(SinkConfig, frozen=True):
    """A receiver of HTTP requests."""

    url: Annotated[
        str, Meta(description="where to send, as https://example.org/hook; for ntfy, with the topic at the end")
    ] = ""
    template: Annotated[templates.Template, Meta(description="plain (the event line), ntfy, slack or discord")] = (
        "plain"
    )
    each_phase: Annotated[
        bool, Meta(description="true: each start, update and end; false: once per event, when it is first reported")
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
    verify: Annotated[bool, Meta(description="false: do not check the certificate; only for tests")] = True
    connect_s: Annotated[float, Meta(gt=0, le=60, description="time limit for the connection")] = 5.0
    timeout_s: Annotated[float, Meta(gt=0, le=600, description="time limit for connection and answer together")] = 10.0
    longest_pause_s: Annotated[
        float,
        Meta(
            gt=0,
            le=3600,
            description="longest pause before it is tried again; the first is 1 s, and each is twice the last",
        ),
    ] = 60.0
    most_waiting: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="events that wait on disk while the receiver is away; older ones are dropped",
        ),
    ] = MAX_LINES
    oldest_s: Annotated[float, Meta(gt=0, description="events that have waited longer are dropped")] = 86_400.0


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
            exclusive=(f"{self._spool_name}.db",),
        )

    def probe(self) -> str:
        """Connect without a request, because a receiver may act on any."""
        import httpx

        config, url = self._config, httpx.URL(self._target.url)
        credentials.secret("secret_file", config.secret_file)
        credentials.token("token_file", config.token_file)
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
        for library in ("httpx", "httpcore"):  # they log addresses and headers, which hold passwords
            logging.getLogger(library).setLevel(logging.WARNING)
        with ExitStack() as held:
            receiver = _Receiver(self._config, self._target, self._headers)
            held.callback(receiver.close)
            config, folder = self._config, paths.state_folder()
            self._spool = open_spool(
                folder, self._spool_name, held, max_lines=config.most_waiting, max_age_s=config.oldest_s
            )
            incidents = IncidentLog(self._target.name, log)
            longest_s = self._config.longest_pause_s
            self._sender = Sender(self._spool, receiver, held.pop_all(), incidents, longest_pause_s=longest_s)
        self._sender.start()

    def emit(self, event: Event) -> None:
        if self._sender and (self._config.each_phase or self._first(event)):
            self._sender.put(messages.encode(event))

    def close(self) -> None:
        if self._sender:
            self._sender.close()

    @property
    def _spool_name(self) -> str:
        receiver = hashlib.sha256(self._config.url.encode()).hexdigest()[:12]
        return spool_name("webhook", receiver, self._config.name)


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go. `name` is for logs, and has only the host: paths and queries hold secrets."""

    url: str
    topic: str  # ntfy's
    name: str


class _Receiver:
    """The HTTP client. For one thread, except `abort`."""

    def __init__(self, config: WebhookConfig, target: Target, headers: Mapping[str, bytes]) -> None:
        import httpx

        self._target, self._template, self._timeout_s = target, config.template, config.timeout_s
        self._secret = credentials.secret("secret_file", config.secret_file)
        token = credentials.token("token_file", config.token_file)
        bearer = {"authorization": b"Bearer " + token} if token else {}
        self._client = httpx.Client(
            headers=[(name.encode(), value) for name, value in (bearer | dict(headers)).items()],
            verify=http.trusted(config.ca_file, config.verify),
            timeout=httpx.Timeout(config.timeout_s, connect=min(config.connect_s, config.timeout_s)),
            limits=httpx.Limits(max_connections=1),
            follow_redirects=False,
        )
        self._stream: Any = None  # httpcore's stream of the current request
        self._late = False

    def deliver(self, line: bytes) -> Answer:
        """Send an event by POST. Only the status of the answer counts."""
        import httpx

        event = _event(line)
        if event is None:
            return Answer("refused", "a line on disk is of another version")
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
        """Shut the connection down: closing a socket would not wake a thread that reads from it."""
        stream = self._stream
        ours = stream.get_extra_info("socket") if stream else None
        if ours is not None:
            with suppress(OSError):  # it has ended
                socket.socket.shutdown(
                    ours, socket.SHUT_RDWR
                )  # not the TLS method, which only the reading thread may call

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
        """Limit the time of the whole request: the timeout of httpx begins again with every byte that arrives."""
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
    """Return where to send, or raise ConfigError if url is wrong or httpx is missing."""
    example = "Write, for example, https://example.org/hook."
    if not config.url:
        raise ConfigError("url is empty", code="webhook-url", remedy=example)
    try:
        import httpx
    except ImportError as err:
        remedy = "Install it with: pip install 'listener[webhook]'"
        raise ConfigError("httpx is not installed", code="webhook-library", remedy=remedy) from err
    try:
        url = httpx.URL(config.url)
    except httpx.InvalidURL as err:
        raise ConfigError(f"url is not valid ({err})", code="webhook-url", remedy=example) from err
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError("url is not that of a web server", code="webhook-url", remedy=example)
    if not 0 < (url.port or 80) < 65536:
        raise ConfigError(f"url has the wrong port {url.port}", code="webhook-url", remedy=example)
    name = f"webhook {url.host}{f':{url.port}' if url.port else ''}"
    if config.template != "ntfy":
        return Target(str(url), "", name)
    server, _, topic = url.path.rstrip("/").rpartition("/")
    if not topic:
        remedy = "Write, for example, https://ntfy.sh/your-topic."
        raise ConfigError("url has no ntfy topic", code="webhook-url", remedy=remedy)
    return Target(str(url.copy_with(path=f"{server}/")), topic, name)


def _event(line: bytes) -> Event | None:
    """Decode a line; None if another version of this program wrote it."""
    try:
        message = messages.decode(line)
    except ValueError:
        return None
    return message if isinstance(message, Event) else None


def _read_a_little(response: "httpx.Response") -> None:
    """Read a short answer, so that the connection can be kept. After a long one the connection is closed."""
    read = 0
    for chunk in response.iter_raw():
        read += len(chunk)
        if read > MAX_READ_BYTES:
            return
