"""The table of stored responses to requests with an Idempotency-Key."""

from datetime import datetime

from sqlalchemy import DateTime, Index, LargeBinary, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import Base


class IdempotencyKey(Base):
    """A row with the stored response to a write, which is kept while the client may repeat the request."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "expires_at"),)

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """The SHA-256 digest of method, path, Idempotency-Key and caller: a digest has a fixed size, and keeps clients'
    secrets out of the database."""
    request: Mapped[bytes] = mapped_column(LargeBinary)
    """The SHA-256 digest of query and body, by which a different request with the same Idempotency-Key is refused."""
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, str]] = mapped_column(JSONB)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
