"""The authentication middleware: checks the access token of a request before the route is known.

The middleware does not refuse a request: the dependency `needs(...)` of a route does, or the read of the body before
it, and a public route has no such dependency. Because the token is checked first, idempotency keys, streams and rate
limits know the caller in any order of a route's dependencies.
"""

from functools import partial

from fastapi import HTTPException
from fastapi.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth.keys import Keys
from app.auth.tokens import Tokens
from app.dependencies import resources_of
from app.downstreams.client import NO_ADDRESS
from app.errors import Unavailable
from app.request.authenticated import ACCESS_TOKEN, PRINCIPAL, Principal, get_principal, needs_principal, unauthorized
from app.settings.browsers import words
from app.settings.route_groups import PROBES
from app.settings.service import Settings

ISSUER = "issuer"
"""The name of the downstream from which the keys of the issuer are fetched."""

SCHEME = "bearer "
PROTOCOL = "bearer."
"""The beginning of the WebSocket protocol that is an access token: `new WebSocket(url, ["events", "bearer." + token])`.
The service takes the protocol `events`, so the token is in no response; an address would be in logs."""


def build_tokens(settings: Settings) -> Tokens:
    """Build the check of access tokens from the settings, and write the issuer into the OpenAPI document."""
    rules, address = settings.auth, str(settings.downstreams.issuer.base_url or NO_ADDRESS).rstrip("/")
    ACCESS_TOKEN.flow.authorizationUrl = f"{address}/{rules.authorize_path}"
    ACCESS_TOKEN.flow.tokenUrl = f"{address}/{rules.token_path}"
    return Tokens(rules, rules.issuer or address, Keys(words(rules.algorithms)))


class Authentication:
    """ASGI middleware that puts the principal of a request, or the reason why there is none, into the ASGI scope."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self.app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        if scope["type"] != "lifespan" and scope["path"] not in PROBES:
            try:
                scope[PRINCIPAL] = principal = await self._principal(HTTPConnection(scope))
                scope["caller"] = principal.key
            except (HTTPException, Unavailable) as refusal:
                # the frames of tracebacks have the scope, which would be a reference cycle
                refusal.__traceback__ = refusal.__context__ = None
                scope[PRINCIPAL] = refusal
                if isinstance(refusal, HTTPException):  # FastAPI turns other errors of the read into a 400
                    receive = partial(_receive, scope, receive)
        await self.app(scope, receive, send)

    async def _principal(self, connection: HTTPConnection) -> Principal:
        given = connection.headers.getlist("authorization")
        protocols = connection.scope.get("subprotocols", ())  # the one text that a page can send with a WebSocket
        given += [SCHEME + name.removeprefix(PROTOCOL) for name in protocols if name.startswith(PROTOCOL)]
        if len(given) > 1:
            raise unauthorized("A request has one Authorization header at most.")
        if not given or not given[0].lower().startswith(SCHEME):
            raise unauthorized("Send an access token as `Authorization: Bearer ...`.", invalid=False)
        token, path = given[0][len(SCHEME) :].strip(" "), self._tokens.settings.keys_path.split("/")
        return await self._tokens.principal(token, lambda: resources_of(connection).downstreams[ISSUER].get_json(*path))


async def _receive(scope: Scope, receive: Receive) -> Message:
    """Return the next message, or refuse: FastAPI reads the body before any dependency, and would tell its faults."""
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    dependant = getattr(route, "dependant", None)  # only a route of FastAPI has one; a test may replace the principal
    if dependant and get_principal not in scope["app"].dependency_overrides and needs_principal(dependant):
        raise scope[PRINCIPAL]
    return await receive()
