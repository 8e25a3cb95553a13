"""Middleware for what browsers send: forged names of the service are refused, allowed sites get CORS headers.

Both are outside of all that may refuse a request or fail, so that a page can read a 500 and a 503 too. Neither is there
without its setting.
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
"""The headers that pages may send, in addition to those that browsers always allow."""

READ = ("ETag", "Idempotency-Replayed", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID")
"""The headers of responses that pages may read, in addition to those that browsers always allow."""


class AllowedHosts:
    """ASGI middleware that refuses a request for a name which is not one of the service.

    A page of an attacker can give its own name the address of the service (DNS rebinding). For the browser the service
    then belongs to that page. Starlette's middleware has no exception for probes, which ask for an IP address.
    """

    def __init__(self, app: ASGIApp, hosts: str) -> None:
        """Take the allowed names, comma separated; `*.` stands for one label or more."""
        self.app = app
        names = (re.escape(host).replace(r"\*\.", r"([a-z0-9-]+\.)+") for host in words(hosts))
        self._allowed = re.compile(f"({'|'.join(names)})(:[0-9]+)?".encode(), re.IGNORECASE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket, or answer 400."""
        served = scope["type"] == "lifespan" or scope["path"] in PROBES
        if served or self._allowed.fullmatch(headers_of(scope).get(b"host", b"")):
            await self.app(scope, receive, send)
        else:
            await problem_response(400, "The service does not have the name in Host.")(scope, receive, send)


def for_browsers(settings: BrowserSettings) -> list[Middleware]:
    """Return the middleware that the settings ask for, outermost first."""
    found = []
    if settings.allowed_hosts:
        found.append(Middleware(AllowedHosts, hosts=settings.allowed_hosts))
    if settings.cors_origins:
        origins, credentials = words(settings.cors_origins), settings.cors_credentials
        headers: dict[str, Any] = {"allow_methods": METHODS, "allow_headers": SENT, "expose_headers": READ}
        found.append(Middleware(CORSMiddleware, allow_origins=origins, allow_credentials=credentials, **headers))
    return found
