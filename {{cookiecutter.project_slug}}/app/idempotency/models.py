"""The table of what was answered to requests with a key."""

from datetime import datetime

from sqlalchemy import DateTime, Index, LargeBinary, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class IdempotencyKey(Base):
    """An answer, for as long as its request may be repeated."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "expires_at"),)

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    """A digest of method, path and key: of fixed size, and no secret of a client."""
    request: Mapped[bytes] = mapped_column(LargeBinary)
    """A digest of what was asked."""
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, str]] = mapped_column(JSONB)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
