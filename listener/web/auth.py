"""Access control of the page.

It refuses requests from pages of other sites (https://owasp.org/www-community/attacks/csrf), requests by a host name
that may have been rebound to this machine (https://en.wikipedia.org/wiki/DNS_rebinding), and, if a token is set,
requests without it.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import re
from collections import Counter
from collections.abc import Collection
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from listener.base import credentials

COOKIE = "listener_web"
COOKIE_S = 30 * 86_400
WRONG_S = 1.0  # a wrong token is answered after this time
WRONG_AT_ONCE = 8  # wrong tokens of one address that may wait for their answer
FORM_BYTES = 1024
PROVEN = "listener.proven"  # in the scope: whether its sender may use the page
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/?#@\\\s]+)(:[0-9]{1,5})?")  # a name or address, and a port
PUBLIC = ("/login", "/page/style.css", "/page/icon.svg")  # what the login form needs

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{what}-src 'self'" for what in ("script", "style", "img", "media", "connect")),
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" browsers send the form's Origin as "null"
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
FRAMED = {  # Home Assistant shows the page in a frame of its own site
    "Content-Security-Policy": CONTENT_POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'"),
    "X-Frame-Options": "SAMEORIGIN",
}


class AccessControl:
    """ASGI middleware that answers requests which are not allowed, and adds headers that protect the page.

    Args:
        app: The application.
        names: Host names by which browsers reach it, besides its addresses.
        token: The token that browsers must show; empty for none.
    """

    def __init__(self, app: ASGIApp, names: Collection[str], token: bytes) -> None:
        self._app, self._names = app, {"localhost", *(name.lower().rstrip(".") for name in names)}
        self._token = credentials.check_length("the page", token)
        self._session = hmac.new(token, b"listener web", hashlib.sha256).hexdigest()  # changes with the token
        self._wrong = Counter[str]()  # address -> wrong tokens that wait for their answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it to the application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        protection = HEADERS | FRAMED if "x-ingress-path" in request.headers else HEADERS

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in protection.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = await self._refusal(request)
        scope[PROVEN] = answer is None and not (self._token and scope["path"] in PUBLIC)
        await (answer or self._app)(scope, receive, send_protected)

    async def _refusal(self, request: Request) -> ASGIApp | None:
        """Return the answer to a request that is not allowed; None if it is."""
        if not self._is_our_name(request.headers.get("host", "")):
            return _refused(400, "this host name is not known here. Start `listener web` with --name for it.")
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if self._token and kind.lower() == "bearer":  # another site's page cannot send this header
            return await self._checked(request, self._is_right(token))
        if _is_cross_site(request):
            return _refused(403, "only the page itself may ask this")
        if not self._token:
            return None
        if request.scope["path"] == "/login" and request.method == "POST":
            return await self._login(request)
        return self._unauthenticated(request)

    def _unauthenticated(self, request: Request) -> ASGIApp | None:
        path = request.scope["path"]  # as it is routed; older versions of Starlette build the URL from the Host header
        session = request.cookies.get(COOKIE, "")
        if path in PUBLIC or hmac.compare_digest(session.encode(), self._session.encode()):
            return None
        if path == "/":
            return RedirectResponse("login", 303)
        return _refused(401, "not logged in. Log in, or send the header Authorization: Bearer TOKEN.")

    def _is_our_name(self, host: str) -> bool:
        """Return whether a Host header names this machine. Addresses always do: only names can be rebound."""
        found = HOST.fullmatch(host)
        if not found:
            return False
        try:
            ipaddress.ip_address(found[1].strip("[]"))
        except ValueError:
            return found[1].lower().rstrip(".") in self._names
        return True

    def _is_right(self, token: str) -> bool:
        return hmac.compare_digest(token.strip().encode(), self._token)

    async def _checked(self, request: Request, right: bool) -> Response | None:
        """Return None for the right token, at once; the answer to a wrong one after a while.

        An address with many wrong tokens waiting is refused unseen, so that guessing stays slow. Others do not wait.
        """
        address = _address(request)
        if self._wrong[address] >= WRONG_AT_ONCE:
            return _refused(429, "too many wrong tokens. Wait a second.")
        if right:
            return None
        self._wrong[address] += 1
        try:
            await asyncio.sleep(WRONG_S)
        finally:
            self._wrong[address] -= 1
            self._wrong += Counter()  # drops addresses that count 0
        return _refused(401, "wrong token")

    async def _login(self, request: Request) -> ASGIApp:
        form = b""
        async for part in request.stream():
            form += part
            if len(form) > FORM_BYTES:
                return _refused(413, "the form is too long")
        right = self._is_right(parse_qs(form.decode(errors="replace")).get("token", [""])[0])
        refusal = await self._checked(request, right)
        if refusal is not None:
            return RedirectResponse("login?wrong", 303) if refusal.status_code == 401 else refusal
        answer = RedirectResponse("./", 303)
        answer.set_cookie(  # without a path it is valid under the one by which a proxy serves the page
            COOKIE, self._session, max_age=COOKIE_S, path=None, httponly=True, samesite="strict"
        )
        return answer


def _is_cross_site(request: Request) -> bool:
    """Return whether a browser says that another site's page sent the request.

    Browsers send Origin with each request that may change something, and newer ones Sec-Fetch-Site with all. Behind a
    proxy that speaks TLS our own page has an https origin, which is believed if the proxy or the browser confirms it.
    """
    headers, site = request.headers, request.headers.get("sec-fetch-site")
    if request.method in ("GET", "HEAD"):
        return site in ("cross-site", "same-site") and request.scope["path"] != "/"
    if site not in (None, "same-origin"):
        return True
    scheme, _, host = headers.get("origin", "").partition("://")
    expected = headers.get("x-forwarded-proto", "http").rpartition(",")[2].strip()
    return host != headers.get("host") or not (scheme == expected or (scheme == "https" and site == "same-origin"))


def _address(request: Request) -> str:
    """Return whom a request comes from. A proxy on this machine puts the address of its client last."""
    peer = request.client.host if request.client else ""
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    try:
        return forwarded if forwarded and ipaddress.ip_address(peer).is_loopback else peer
    except ValueError:
        return peer


def _refused(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)
