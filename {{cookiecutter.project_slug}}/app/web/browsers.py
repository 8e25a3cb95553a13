"""Middleware for requests of browsers: refuses an unknown Host header, and sends CORS headers to allowed origins.

Both middleware classes, `AllowedHosts` and Starlette's `CORSMiddleware`, wrap all middleware that may refuse a request,
so that a page can also read a 500 or a 503. Each class is added only if its setting is set.
"""

import re
from typing import Any

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.request.identity import headers_of
from app.settings.browsers import BrowserSettings, words
from app.settings.route_groups import PROBES
from app.web.problem import problem_response

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
SENT = ("Authorization", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "X-Request-ID")
"""The request headers that CORS allows pages to send, in addition to the headers that browsers always allow."""

READ = ("ETag", "Idempotency-Replayed", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID")
"""The response headers that CORS allows pages to read, in addition to the headers that browsers always allow."""


class AllowedHosts:
    """ASGI middleware that answers 400 to a request whose Host header is not an allowed name of the service.

    The check stops DNS rebinding: an attacker points a domain name at the address of the service, and the browser then
    lets the attacker's page read the service's responses. Starlette's `TrustedHostMiddleware` has no exception for
    health probes, whose Host header is an IP address.
    """

    def __init__(self, app: ASGIApp, hosts: str) -> None:
        """Take the allowed host names, separated by commas; `*.` stands for one or more labels of a domain name."""
        self.app = app
        names = (re.escape(host).replace(r"\*\.", r"([a-z0-9-]+\.)+") for host in words(hosts))
        self._allowed = re.compile(f"({'|'.join(names)})(:[0-9]+)?".encode(), re.IGNORECASE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket, or answer 400 to an unknown Host header."""
        served = scope["type"] == "lifespan" or scope["path"] in PROBES
        if served or self._allowed.fullmatch(headers_of(scope).get(b"host", b"")):
            await self.app(scope, receive, send)
        else:
            await problem_response(400, "The service does not have the name in Host.")(scope, receive, send)


def for_browsers(settings: BrowserSettings) -> list[Middleware]:
    """Return the middleware for browsers that the settings turn on, outermost first."""
    found = []
    if settings.allowed_hosts:
        found.append(Middleware(AllowedHosts, hosts=settings.allowed_hosts))
    if settings.cors_origins:
        origins, credentials = words(settings.cors_origins), settings.cors_credentials
        headers: dict[str, Any] = {"allow_methods": METHODS, "allow_headers": SENT, "expose_headers": READ}
        found.append(Middleware(CORSMiddleware, allow_origins=origins, allow_credentials=credentials, **headers))
    return found
