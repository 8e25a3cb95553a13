"""The table of stored responses to requests with an Idempotency-Key."""

from datetime import datetime

from sqlalchemy import DateTime, Index, LargeBinary, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import Base


class IdempotencyKey(Base):
    """The stored response to a write, kept for as long as the client may repeat the request."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "expires_at"),)

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """A digest of method, path, Idempotency-Key and caller. A digest has a fixed size, and stores no secret of a
    client."""
    request: Mapped[bytes] = mapped_column(LargeBinary)
    """A digest of query and body, to refuse a different request with the same Idempotency-Key."""
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, str]] = mapped_column(JSONB)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
