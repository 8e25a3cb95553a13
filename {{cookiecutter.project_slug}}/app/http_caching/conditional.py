"""Conditional requests (RFC 9110): a read of an unchanged object gets 304, a write of a changed object 412.

The ETag is made from the version of the object, such as a column that counts the changes. So a 304 costs a query for
the version, and neither the query of the whole object nor the response.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException, Response

TAG, PLACE = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")'), "\0"
"""TAG matches an ETag. PLACE replaces each ETag of a header, so that the rest of the header can be checked."""

OF_THE_PRINCIPAL = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
"""The headers of a response that depends on the principal: only the client's own cache may keep the response, and must
ask before each use whether the response is still right."""


UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "The client has the current version."}}
"""The `responses=` argument of a route with a conditional read."""


def tag_of(version: object) -> str:
    """Return the strong ETag of a version; the version must consist of visible ASCII characters without quotes."""
    return f'"{version}"'


def matches(header: Sequence[str], tag: str, *, weakly: bool) -> bool:
    """Tell whether If-None-Match or If-Match names an ETag; a weak ETag matches only where the comparison is weak.

    A header that is no list of ETags matches no ETag, except for `*`, which matches every ETag.
    """
    given = ",".join(header)
    if any(part.strip(" \t") not in {"", PLACE} for part in TAG.sub(PLACE, given).split(",")):
        return given.strip(" \t") == "*"
    return any(tag == found and (weakly or not weak) for weak, found in TAG.findall(given))


@dataclass(frozen=True, slots=True)
class ConditionalRead:
    """A read that a client may repeat with the ETag of the last response in If-None-Match."""

    none_match: Sequence[str]
    response: Response

    async def unchanged(self, version: Callable[[], Awaitable[object]]) -> Response | None:
        """Return the 304 response if the client has the current version, else None.

        Args:
            version: reads the version, and is called only if the client sent If-None-Match.
        """
        if self.none_match and matches(self.none_match, tag := tag_of(await version()), weakly=True):
            return Response(status_code=304, headers={"ETag": tag} | OF_THE_PRINCIPAL)
        return None

    def tag(self, version: object) -> None:
        """Set the ETag of a version on the response."""
        self.response.headers.update({"ETag": tag_of(version)} | OF_THE_PRINCIPAL)


@dataclass(frozen=True, slots=True)
class ConditionalWrite:
    """A write with the version that the client has seen (If-Match), so that no concurrent change is overwritten."""

    match: Sequence[str]

    async def check(self, version: Callable[[], Awaitable[object]]) -> None:
        """Compare If-Match with the version, which is read only if the client sent the header.

        Args:
            version: reads the version in the transaction of the write, and locks the row until the commit.

        Raises:
            HTTPException: 412, the object has a version that the header does not name.
        """
        if self.match and not matches(self.match, tag_of(await version()), weakly=False):
            raise HTTPException(412, "The object has changed since you read it: read it again.")


IfNoneMatch = Annotated[
    list[str] | None, Header(description="The ETags that the client has: 304 if one of them is current.")
]
IfMatch = Annotated[
    list[str] | None, Header(description="The ETag that the client has seen: 412 if it is not current.")
]


async def get_conditional_read(response: Response, if_none_match: IfNoneMatch = None) -> ConditionalRead:
    """Return the `ConditionalRead` of a request."""
    return ConditionalRead(if_none_match or (), response)


ConditionalReadDep = Annotated[ConditionalRead, Depends(get_conditional_read)]
"""The dependency of a route that reads an object: 304 when the client has the current version."""


async def get_conditional_write(if_match: IfMatch = None) -> ConditionalWrite:
    """Return the `ConditionalWrite` of a request."""
    return ConditionalWrite(if_match or ())


ConditionalWriteDep = Annotated[ConditionalWrite, Depends(get_conditional_write)]
"""The dependency of a route that changes an object: 412 when the client sends If-Match and the object has changed."""


async def require_if_match(condition: ConditionalWriteDep) -> None:
    """Refuse a write without If-Match, as a dependency of a route or router whose changes must not be lost.

    Raises:
        HTTPException: 428, the request has no If-Match header.
    """
    if not condition.match:
        raise HTTPException(428, "Send the ETag of the object that you read as If-Match.")
