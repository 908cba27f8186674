"""What every HTTP request passes first: its id, host, key and size. Independent of routes.

request ── id ── room ── host, origin ── key ── body, whole and within limits ── route
"""

import asyncio
import hashlib
import hmac
import logging
import re
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dia.serving.errors import Code, ServingError, as_serving_error, log_unexpected
from dia.serving.http.responses import error_response
from dia.serving.limits import Limits
from dia.serving.metrics import Metrics

logger = logging.getLogger(__name__)
Headers: TypeAlias = dict[str, str]

# Without a key: for load balancers, and for the browser that opens the documents or the page, which asks for the key.
_HEALTH = frozenset({"/health", "/ready"})  # answered although too many requests are open
OPEN_ROUTES = frozenset({"/", "/health", "/ready", "/docs", "/openapi.json"})
OPEN_PREFIX = "/page/"
_CLIENT_LEFT = 499  # in the metrics: nobody reads the answer
_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Access:
    """Who may send requests.

    Attributes:
        key: the API key; None for none.
        hosts: names that the `Host` header may have; empty for any. With names, pages of other sites in a browser on
            the same machine cannot use the server, not even if they let their own name point to it.
    """

    key: str | None = None
    hosts: Collection[str] = ()

    def check(self, method: str, path: str, headers: Headers) -> None:
        """Check the headers of a request.

        Raises:
            ServingError: the host, the origin or the key is wrong.
        """
        if self.hosts:
            if _host(f"//{headers.get('host', '')}") not in self.hosts:
                raise ServingError(Code.invalid_host, "the Host header names another machine; use localhost.")
            origin = headers.get("origin")
            if origin is not None and method not in _SAFE_METHODS and _host(origin) not in self.hosts:
                raise ServingError(Code.origin_not_allowed, "pages of other sites may not use this server.")
        if self.key is not None and path not in OPEN_ROUTES and not path.startswith(OPEN_PREFIX):
            scheme, _, given = headers.get("authorization", "").partition(" ")
            if not (_same(given.strip(), self.key) and scheme.lower() == "bearer"):
                raise ServingError(Code.invalid_api_key, "the API key is missing or wrong; send it as a Bearer token.")


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _same(given: str, key: str) -> bool:
    """Compare in constant time, also for other lengths."""
    one, other = (hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (given, key))
    return hmac.compare_digest(one, other)


class Gate:
    """The outermost layer of the application.

    Args:
        app: the rest of it.
        access: who may send requests.
        limits: of sizes and times.
        metrics: counts requests by route and status.
    """

    def __init__(self, app: ASGIApp, access: Access, limits: Limits, metrics: Metrics) -> None:
        self._app, self._access, self._limits, self._metrics = app, access, limits, metrics
        self._open = self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets
            await send({"type": "websocket.close"})
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        own = _Exchange(send, headers.get("x-request-id", ""))
        self._open += 1
        try:
            await self._pass(scope, receive, own, headers)
        except ServingError as error:
            await error_response(error)(scope, receive, own.send)
        except Exception as error:
            if own.status is None:
                await error_response(as_serving_error(error))(scope, receive, own.send)
            log_unexpected(error, own.id)
        finally:
            self._open -= 1
            self._count(scope, own)

    async def _pass(self, scope: Scope, receive: Receive, own: "_Exchange", headers: Headers) -> None:
        if self._open > self._limits.open_requests and scope["path"] not in _HEALTH:
            raise ServingError(Code.overloaded, f"{self._open - 1} requests are open; try again later.")
        self._access.check(scope["method"], scope["path"], headers)
        body = bytearray()
        try:
            await self._receive(body, receive, headers)
            await self._app(scope, _replay(bytes(body), receive), own.send)
        except _Left:
            own.status = _CLIENT_LEFT
        finally:
            self._bytes -= len(body)

    async def _receive(self, body: bytearray, receive: Receive, headers: Headers) -> None:
        """Append the whole body of a request."""
        more = self._has_body(headers)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Left
                    body += message.get("body", b"")
                    self._bytes += len(message.get("body", b""))
                    self._check_size(len(body))
                    more = message.get("more_body", False)
        except TimeoutError:
            late = f"the body was not complete after {self._limits.body_seconds:g} s."
            raise ServingError(Code.body_timeout, late) from None

    def _has_body(self, headers: Headers) -> bool:
        """Whether there is a body. Its announced length is checked, so that a large one is refused before it comes."""
        length = headers.get("content-length", "")
        if length.isdecimal():
            self._check_size(int(length[:20]))
        return "transfer-encoding" in headers or length not in ("", "0")

    def _check_size(self, size: int) -> None:
        if size > self._limits.body_bytes:
            most = f"{self._limits.body_bytes / 2**20:g} MiB are allowed"
            raise ServingError(Code.body_too_large, f"the body is too large; {most}.")
        if self._bytes > self._limits.bodies_bytes:
            raise ServingError(Code.overloaded, "too many large requests at once; try again later.")

    def _count(self, scope: Scope, own: "_Exchange") -> None:
        route = getattr(scope.get("route"), "path", "other")
        status = own.status or _CLIENT_LEFT
        self._metrics.requests.labels(route, str(status)).inc()
        logger.info("%s %s %s %d %.3f s", own.id, scope["method"], route, status, time.monotonic() - own.started)


class _Exchange:
    """The answer of one request: adds its id to the headers, and remembers its status."""

    def __init__(self, send: Send, given: str) -> None:
        self._send, self.started = send, time.monotonic()
        self.id = given if _ID.fullmatch(given) else f"req_{uuid.uuid4().hex}"
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        """Send a message of the application."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.id.encode())]
        await self._send(message)


class _Left(Exception):
    """The client has left before its body was complete."""


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that returns the body first."""
    first = True

    async def replayed() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        while (message := await receive())["type"] != "http.disconnect":
            pass  # the empty body of a request without one
        return message

    return replayed


__all__ = ["OPEN_ROUTES", "Access", "Gate"]
