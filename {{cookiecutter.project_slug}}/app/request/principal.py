"""The principal of a request: who sent it, as far as jobs, streams and limits must know.

There is no authentication yet, so every request has the principal `Anyone`. Authentication is added by returning a
different principal from `get_principal`; features that use `PrincipalDep` need no change.
"""

from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends


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
    """The principal of every request of a service without authentication: one owner, one key."""

    owner: str | None = None
    key: str = "anyone"


async def get_principal() -> Principal:
    """Return the principal of the request; authentication replaces the body of this function."""
    return Anyone()


PrincipalDep = Annotated[Principal, Depends(get_principal)]
"""For a route whose rows or streams belong to a sender: the owner and the key of the request."""
