"""Who may ask what: no other site's page, no name that was rebound to this machine, beyond loopback nobody unproven.

What a page of another site can have a browser do is in https://owasp.org/www-community/attacks/csrf; why a name that
leads to loopback is no proof of anything, in https://en.wikipedia.org/wiki/DNS_rebinding.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Collection
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from listener.base import credentials

COOKIE = "listener_web"
KEPT_S = 30 * 86_400
WRONG_S = 1.0  # a wrong token is answered no sooner
UNPROVEN = 8  # so many at a time, or many askers would make up for it
FORM_BYTES = 1024
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/?#@\\\s]+)(:[0-9]{1,5})?")  # what a browser sends, and no more
FREE = ("/login", "/page/style.css", "/page/icon.svg")  # what the form to log in by needs

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


class AccessControl:
    """The application, for those who may use it. `names` are what it is called beyond its addresses."""

    def __init__(self, app: ASGIApp, names: Collection[str], token: bytes) -> None:
        self._app, self._names = app, {"localhost", *(name.lower().rstrip(".") for name in names)}
        self._token = credentials.unguessable("the page", token)
        self._session = hmac.new(token, b"listener web", hashlib.sha256).hexdigest()  # another token ends it
        self._guessing = asyncio.Semaphore(UNPROVEN)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = await self._refusal(Request(scope, receive)) or self._app
        await answer(scope, receive, guarded)

    async def _refusal(self, request: Request) -> ASGIApp | None:
        """What to answer those who may not; None for those who may."""
        if not self._is_called(request.headers.get("host", "")):
            return _no(400, "this machine is not called so here; start `listener web` with --name for it")
        if self._is_of_another_page(request):
            return _no(403, "only this page itself may ask that")
        if self._token and request.scope["path"] == "/login" and request.method == "POST":
            return await self._login(request)
        return self._unproven(request) if self._token else None

    def _unproven(self, request: Request) -> ASGIApp | None:
        path = request.scope["path"]  # the one that is routed; the URL's may be made of the Host header
        if path in FREE or self._is_proven(request):
            return None
        if path == "/":
            return RedirectResponse("/login", 303)
        return _no(401, "log in first, or show the token: Authorization: Bearer …")

    def _is_of_another_page(self, request: Request) -> bool:
        """Browsers say with each request that changes something, and the newer with any, which page it is from."""
        headers, host = request.headers, request.headers.get("host", "")
        if request.method not in ("GET", "HEAD"):
            return headers.get("origin", "").partition("://")[2] != host and not self._bears_token(headers)
        return headers.get("sec-fetch-site") == "cross-site" and request.scope["path"] != "/"

    def _is_called(self, host: str) -> bool:
        """Whether a Host header names this machine. An address always does: only a name can be rebound."""
        found = HOST.fullmatch(host)
        if not found:
            return False
        try:
            ipaddress.ip_address(found[1].strip("[]"))
        except ValueError:
            return found[1].lower().rstrip(".") in self._names
        return True

    def _bears_token(self, headers: Headers) -> bool:
        kind, _, token = headers.get("authorization", "").partition(" ")
        return bool(self._token) and kind.lower() == "bearer" and self._is_right(token)

    def _is_proven(self, request: Request) -> bool:
        session = request.cookies.get(COOKIE, "")
        return self._bears_token(request.headers) or hmac.compare_digest(session.encode(), self._session.encode())

    def _is_right(self, token: str) -> bool:
        return hmac.compare_digest(token.strip().encode(), self._token)

    async def _login(self, request: Request) -> Response:
        form = b""
        async for part in request.stream():
            form += part
            if len(form) > FORM_BYTES:
                return _no(413, "a token is shorter")
        async with self._guessing:
            if not self._is_right(parse_qs(form.decode(errors="replace")).get("token", [""])[0]):
                await asyncio.sleep(WRONG_S)
                return RedirectResponse("/login?wrong", 303)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, self._session, max_age=KEPT_S, httponly=True, samesite="strict")
        return answer


def _no(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)
