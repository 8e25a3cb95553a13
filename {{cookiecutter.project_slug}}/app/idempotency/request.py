"""Idempotent requests: a client that got no response may repeat the write with the same `Idempotency-Key`.

The response is stored in the transaction of the write, so that either both are stored or neither. A repeated request
gets the stored response. A different request with the same key is refused, and so is a repeated request while the first
request is still running. Errors are not stored: a failed request may be repeated.

Source: the IETF's draft "The Idempotency-Key HTTP Header Field", draft-ietf-httpapi-idempotency-key-header.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

from pydantic_core import to_json
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from starlette.responses import Response

from app.errors import Conflict, Invalid
from app.idempotency.models import IdempotencyKey

if TYPE_CHECKING:
    from app.database.engine import ReadWriteSession

JSON, REPLAYED = {"content-type": "application/json"}, {"Idempotency-Replayed": "true"}

LOCK = text("SELECT pg_try_advisory_xact_lock(:number)")
"""SQL that locks an Idempotency-Key until the end of the transaction, or returns false if a different request holds the
lock. The lock is an advisory lock, because there is no row to lock yet. An early INSERT would make a repeated request
wait until the first request ends; with this lock the repeated request is refused at once."""

SWEEP_ROWS = 10
"""How many expired responses are deleted when a new response is stored, so that the table does not grow without end."""

FOUND = select(IdempotencyKey.request, IdempotencyKey.status, IdempotencyKey.headers, IdempotencyKey.body)


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """The digests that identify a write that a client may repeat; without an Idempotency-Key every request writes."""

    key: bytes | None
    request: bytes
    seconds: float
    """How long the response is stored for repeated requests, in seconds."""

    @classmethod
    def of(cls, key: str | None, *, operation: str, request: bytes, seconds: float, caller: str = "") -> Self:
        """Return the identity of a write request, with digests instead of the values that the client sent.

        Args:
            key: the Idempotency-Key of the client, None without the header.
            operation: method and path; the same key on a different route is a different request.
            request: query and body.
            seconds: how long the response is stored.
            caller: the authenticated caller, if there is authentication: a response must not reach a different caller.
        """
        own = None if key is None else sha256(f"{operation} {key} {caller}".encode()).digest()
        return cls(own, sha256(request).digest() if own else b"", seconds)

    async def answered(self, session: "ReadWriteSession") -> Response | None:
        """Return the stored response to an earlier request with the same key, None when the write has to be done.

        Raises:
            Conflict: the same request is being worked on.
            Invalid: the key was used for a different request.
        """
        if self.key is None:
            return None
        if not await session.scalar(LOCK, {"number": int.from_bytes(self.key[:8], signed=True)}):
            busy = Conflict("A request with this Idempotency-Key is being worked on.")
            busy.retry_after_seconds = 1
            raise busy
        mine = FOUND.where(IdempotencyKey.key == self.key, IdempotencyKey.expires_at > func.now())
        found = (await session.execute(mine)).one_or_none()
        if found is None:
            return None
        if found.request != self.request:
            raise Invalid("This Idempotency-Key was used for another request.")
        return Response(found.body, found.status, headers=found.headers | REPLAYED)

    async def answer(
        self, session: "ReadWriteSession", content: object, *, status: int, headers: Mapping[str, str]
    ) -> Response:
        """Build the response to the write, and store a copy in the transaction of the write.

        `content` is a pydantic model or a dataclass, or None for an empty body.
        """
        body = b""
        if content is not None:
            body, headers = to_json(content, by_alias=True), {**headers, **JSON}
        if self.key is not None:
            await self._store(session, {"status": status, "headers": headers, "body": body})
        return Response(body, status, headers=headers)

    async def _store(self, session: "ReadWriteSession", answer: Mapping[str, Any]) -> None:
        own = {"request": self.request, "expires_at": func.now() + timedelta(seconds=self.seconds)}
        stored = {**answer, **own}
        add = insert(IdempotencyKey).values(key=self.key, **stored)
        old = select(IdempotencyKey.key).where(IdempotencyKey.expires_at < func.now(), IdempotencyKey.key != self.key)
        few = old.limit(SWEEP_ROWS).with_for_update(skip_locked=True)
        swept = delete(IdempotencyKey).where(IdempotencyKey.key.in_(few))
        # ON CONFLICT replaces an expired row with this key; the advisory lock excludes a concurrent request.
        await session.execute(add.on_conflict_do_update(index_elements=["key"], set_=stored).add_cte(swept.cte()))
