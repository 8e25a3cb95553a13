"""A client that got no answer does not know whether its write happened. With an `Idempotency-Key` it may ask again.

The answer is stored in the transaction of the write: both are there or none is. The same request gets the same answer,
another one with the same key is refused, and so is one that arrives while the first is being worked on. Errors are not
stored: what failed may be tried again.

Source: the IETF's draft "The Idempotency-Key HTTP Header Field", draft-ietf-httpapi-idempotency-key-header.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Self

from pydantic import BaseModel
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from starlette.responses import Response

from app.database import ReadWriteSession
from app.errors import Conflict, Invalid
from app.idempotency.models import IdempotencyKey

REPLAYED = {"Idempotency-Replayed": "true"}

LOCK = text("SELECT pg_try_advisory_xact_lock(:number)")
"""Not the row: it is not there yet, and to insert it first would let the second request wait instead of telling it."""

SWEPT = 10
"""Answers that are removed with each that is stored, once their time is over: so the table does not grow for ever."""

FOUND = select(IdempotencyKey.request, IdempotencyKey.status, IdempotencyKey.headers, IdempotencyKey.body)


@dataclass(frozen=True, slots=True)
class Once:
    """A request that may come again; without a key it is an ordinary one."""

    key: bytes | None
    request: bytes
    seconds: float
    """For which its answer is kept."""

    @classmethod
    def of(cls, key: str | None, *, place: str, request: bytes, seconds: float, who: str = "") -> Self:
        """Read what identifies a request.

        Args:
            key: the client's, None when it sent none.
            place: method and path: the same key elsewhere is another one.
            request: query and body.
            seconds: for which the answer is kept.
            who: the caller, once callers are known: nobody must get what another one was answered.
        """
        own = None if key is None else sha256(f"{place} {key} {who}".encode()).digest()
        return cls(own, sha256(request).digest() if own else b"", seconds)

    async def answered(self, session: ReadWriteSession) -> Response | None:
        """Return what was answered when the request came before, None when it has to be done.

        Raises:
            Conflict: it is being done.
            Invalid: the key was used for another request.
        """
        if self.key is None:
            return None
        if not await session.scalar(LOCK, {"number": int.from_bytes(self.key[:8], signed=True)}):
            raise Conflict("A request with this Idempotency-Key is being worked on.")
        mine = FOUND.where(IdempotencyKey.key == self.key, IdempotencyKey.expires_at > func.now())
        found = (await session.execute(mine)).one_or_none()
        if found is None:
            return None
        if found.request != self.request:
            raise Invalid("This Idempotency-Key was used for another request.")
        return Response(found.body, found.status, headers=found.headers | REPLAYED)

    async def answer(
        self, session: ReadWriteSession, what: BaseModel, *, status: int, headers: Mapping[str, str]
    ) -> Response:
        """Return the answer, and store it for whoever asks again."""
        body, headers = what.model_dump_json(by_alias=True).encode(), {**headers, "content-type": "application/json"}
        if self.key is not None:
            await self._store(session, {"status": status, "headers": headers, "body": body})
        return Response(body, status, headers=headers)

    async def _store(self, session: ReadWriteSession, answer: Mapping[str, Any]) -> None:
        own = {"request": self.request, "expires_at": func.now() + timedelta(seconds=self.seconds)}
        stored = {**answer, **own}
        add = insert(IdempotencyKey).values(key=self.key, **stored)
        old = select(IdempotencyKey.key).where(IdempotencyKey.expires_at < func.now(), IdempotencyKey.key != self.key)
        swept = delete(IdempotencyKey).where(IdempotencyKey.key.in_(old.limit(SWEPT).with_for_update(skip_locked=True)))
        # the key may be there, expired; a lock keeps everybody else away from it
        await session.execute(add.on_conflict_do_update(index_elements=["key"], set_=stored).add_cte(swept.cte()))
