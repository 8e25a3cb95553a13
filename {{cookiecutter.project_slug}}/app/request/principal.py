"""The principal of a request: the sender, for jobs, streams, idempotency keys and rate limits.

The service has no authentication yet, so every request has the principal `Anyone` and passes every check of scopes.
To add authentication, return a different principal from `get_principal`; features that use `PrincipalDep` or `needs`
need no change.
"""

from dataclasses import dataclass
from math import inf
from typing import Annotated, Any, Protocol

from fastapi import Security
from fastapi.requests import HTTPConnection


class Principal(Protocol):
    """The sender of a request, with the properties that jobs, streams and idempotency keys need."""

    @property
    def owner(self) -> str | None:
        """The owner of the rows that the request writes and may see, None without authentication."""

    @property
    def key(self) -> str:
        """A text that identifies the sender, for limits such as the number of streams of each client."""

    @property
    def expires_at(self) -> float:
        """The time at which the sender's authentication expires, in seconds since 1970; a stream ends at this time."""


@dataclass(frozen=True, slots=True)
class Anyone:
    """The principal of a request without authentication: no owner, and the client's address as the key for limits."""

    key: str
    owner: str | None = None
    expires_at: float = inf


async def get_principal(connection: HTTPConnection) -> Principal:
    """Return the principal of a request or WebSocket; to add authentication, replace the body of this function."""
    return Anyone(key=connection.client.host if connection.client else "unknown")


def needs(*scopes: str) -> Any:  # noqa: ANN401 - FastAPI types markers such as `Depends` as Any
    """Return the FastAPI dependency that requires a principal with all of these scopes, such as `invoices:write`."""
    return Security(get_principal, scopes=scopes)


PrincipalDep = Annotated[Principal, needs()]
"""The principal of the request, for a route whose rows or streams belong to a client: the owner of the rows, and the
key by which limits count requests."""
