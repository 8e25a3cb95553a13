"""The authentication middleware: checks the access token of a request before the route is known.

The middleware itself refuses no request, as the route may be public. A route with the dependency `needs(...)` answers
401 if the token was not accepted: when the body is read, or else when the dependency runs. Because the token is checked
before all dependencies of a route, idempotency keys, streams and rate limits know the caller in any order of the
dependencies.
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
"""The prefix of the WebSocket subprotocol by which a web page sends an access token, as in `new WebSocket(url,
["events", "bearer." + token])`. The service selects the subprotocol `events`, so that no response repeats the token. A
token in the URL would end up in logs."""


def build_tokens(settings: Settings) -> Tokens:
    """Build the object that checks access tokens from the settings, and write the issuer into the OpenAPI document."""
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
        """Check the access token of one request or WebSocket, and call the next ASGI application."""
        if scope["type"] != "lifespan" and scope["path"] not in PROBES:
            try:
                scope[PRINCIPAL] = principal = await self._principal(HTTPConnection(scope))
                scope["caller"] = principal.key
            except (HTTPException, Unavailable) as refusal:
                # drop the traceback: its frames refer to the ASGI scope, and the scope to the error, which would be a
                # reference cycle
                refusal.__traceback__ = refusal.__context__ = None
                scope[PRINCIPAL] = refusal
                # Raise only an HTTPException while the body is read: FastAPI turns any other error into a 400.
                if isinstance(refusal, HTTPException):
                    receive = partial(_receive, scope, receive)
        await self.app(scope, receive, send)

    async def _principal(self, connection: HTTPConnection) -> Principal:
        given = connection.headers.getlist("authorization")
        # A web page sends the token of a WebSocket as a subprotocol, because a page cannot set headers.
        protocols = connection.scope.get("subprotocols", ())
        given += [SCHEME + name.removeprefix(PROTOCOL) for name in protocols if name.startswith(PROTOCOL)]
        if len(given) > 1:
            raise unauthorized("A request has one Authorization header at most.")
        if not given or not given[0].lower().startswith(SCHEME):
            raise unauthorized("Send an access token as `Authorization: Bearer ...`.", invalid=False)
        token, path = given[0][len(SCHEME) :].strip(" "), self._tokens.settings.keys_path.split("/")
        return await self._tokens.principal(token, lambda: resources_of(connection).downstreams[ISSUER].get_json(*path))


async def _receive(scope: Scope, receive: Receive) -> Message:
    """Return the next ASGI message, or raise the 401 of a request without an accepted token.

    FastAPI reads and parses the body before any dependency runs, and would tell an unknown client the faults of the
    body.
    """
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    # Only a route of FastAPI has a `dependant`; and a test that replaces `get_principal` needs no token.
    dependant = getattr(route, "dependant", None)
    if dependant and get_principal not in scope["app"].dependency_overrides and needs_principal(dependant):
        raise scope[PRINCIPAL]
    return await receive()
