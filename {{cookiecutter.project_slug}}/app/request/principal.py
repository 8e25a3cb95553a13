"""The principal of a request: who sent it, as far as jobs, streams and limits must know.

There is no authentication yet, so every request has the principal `Anyone`. Authentication is added by returning a
different principal from `get_principal`; features that use `PrincipalDep` need no change.
"""

from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends
from fastapi.requests import HTTPConnection


class Principal(Protocol):
    """The sender of a request, as far as jobs, streams and idempotency must know."""

    @property
    def owner(self) -> str | None:
        """The owner of the rows that the request writes and may see, None without authentication."""

    @property
    def key(self) -> str:
        """A text that identifies the sender, for limits such as the number of streams of each client."""


@dataclass(frozen=True, slots=True)
class Anyone:
    """The principal of a request without authentication: one owner for all, and the client's address as the key."""

    key: str
    owner: str | None = None


async def get_principal(connection: HTTPConnection) -> Principal:
    """Return the principal of a request or WebSocket; authentication replaces the body of this function."""
    return Anyone(key=connection.client.host if connection.client else "unknown")


PrincipalDep = Annotated[Principal, Depends(get_principal)]
"""For a route whose rows or streams belong to a client: the owner of the rows, and the key by which limits count."""
