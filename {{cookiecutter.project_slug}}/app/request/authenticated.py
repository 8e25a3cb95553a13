"""The principal of a request: the sender, from the access token that the middleware of `app/auth/` has checked.

A route names the scopes that it needs, `principal: Annotated[Principal, needs("invoices:write")]`, or takes
`PrincipalDep` for any token. Without a usable token the answer is 401, without the scope 403, in the form of RFC 6750.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import HTTPException, Security
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import OAuth2, OAuthFlowAuthorizationCode, OAuthFlows
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

REALM = 'Bearer realm="api"'
"""The beginning of every WWW-Authenticate header of the service."""

PRINCIPAL = "principal"
"""The key in the ASGI scope for the principal of the request, or for the refusal of its access token."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The sender of a request, from a checked access token."""

    subject: str
    """The user or the machine that the token stands for, the claim `sub`."""
    client: str
    """The application that got the token, the claim `client_id` or `azp`; the subject where the token has neither."""
    scopes: frozenset[str] = frozenset()
    """The permissions of the token, such as `invoices:write`."""
    expires_at: float = 0.0
    """The time at which the token expires, in seconds since 1970."""

    @property
    def owner(self) -> str:
        """The owner of the rows that the request writes and may see."""
        return self.subject

    @property
    def key(self) -> str:
        """A text that identifies the sender, for limits such as the number of streams of each client."""
        return self.subject


class AccessToken(SecurityBase):
    """The description of access tokens in the OpenAPI document, which makes the button Authorize of /docs work."""

    scheme_name = "access_token"
    flow = OAuthFlowAuthorizationCode(authorizationUrl="", tokenUrl="")
    model = OAuth2(flows=OAuthFlows(authorizationCode=flow))
    scopes = flow.scopes
    """Maps every scope that a route of the service needs to an empty text, as OpenAPI demands a description."""

    async def __call__(self) -> None:
        """Do nothing: the middleware has read the token already."""


ACCESS_TOKEN = AccessToken()


def unauthorized(detail: str, *, invalid: bool = True) -> HTTPException:
    """Return the refusal of a request without a usable access token.

    Args:
        detail: the sentence for the client; it names no value of the token.
        invalid: whether the request has a token; without a token RFC 6750 forbids an error code.
    """
    reason = f', error="invalid_token", error_description="{detail}"' if invalid else ""
    return HTTPException(401, detail, {"WWW-Authenticate": REALM + reason})


async def get_principal(
    connection: HTTPConnection, wanted: SecurityScopes, _described: Annotated[None, Security(ACCESS_TOKEN)]
) -> Principal:
    """Return the principal of a request or WebSocket, if the access token has the wanted scopes.

    Raises:
        HTTPException: 401 without a usable token, 403 without a wanted scope, 503 while the keys that check tokens are
            unavailable.
    """
    principal: Principal | Exception = connection.scope[PRINCIPAL]
    if isinstance(principal, Exception):
        raise principal
    if not principal.scopes.issuperset(wanted.scopes):
        reason = f', error="insufficient_scope", scope="{wanted.scope_str}"'
        raise HTTPException(403, f"This needs the scope {wanted.scope_str}.", {"WWW-Authenticate": REALM + reason})
    return principal


def needs_principal(dependant: Dependant) -> bool:
    """Tell whether a route, or one of its dependencies, needs a principal."""
    return dependant.call is get_principal or any(map(needs_principal, dependant.dependencies))


def needs(*scopes: str) -> Any:  # noqa: ANN401 - FastAPI types markers such as `Depends` as Any
    """Return the FastAPI dependency that requires an access token with all of these scopes, and gives the principal."""
    ACCESS_TOKEN.scopes.update(dict.fromkeys(scopes, ""))
    return Security(get_principal, scopes=scopes)


PrincipalDep = Annotated[Principal, needs()]
"""The principal of the request, for a route whose rows or streams belong to a client: any valid access token is
accepted, as the route needs no scope."""
