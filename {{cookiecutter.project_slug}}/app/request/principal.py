"""The principal of a request: the owner and the key, by which rows, streams and bounds are told apart.

There is no authentication yet: every request is that of `Anyone`. Authentication fills in the owner by returning
a different principal from `get_principal`; the features that ask for `PrincipalDep` stay as they are.
"""

from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends


class Principal(Protocol):
    """The sender of a request, as far as jobs, streams and idempotency have to know."""

    @property
    def owner(self) -> str | None:
        """The owner of the rows that the request writes and may see, None without authentication."""

    @property
    def key(self) -> str:
        """The text by which bounds, such as streams for each client, are counted."""


@dataclass(frozen=True, slots=True)
class Anyone:
    """The principal of every request of a service without authentication: one owner, one key."""

    owner: str | None = None
    key: str = "anyone"


async def get_principal() -> Principal:
    """Return the principal of the request; the place that authentication fills in."""
    return Anyone()


PrincipalDep = Annotated[Principal, Depends(get_principal)]
"""For a route whose rows or streams belong to someone: the owner and the key of the request."""
