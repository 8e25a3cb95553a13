"""The table of the rate limits that PostgreSQL counts."""

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import Base


class RateLimit(Base):
    """The hits of one key of a policy.

    The table is UNLOGGED: a hit writes no WAL and waits for no disk. A server that crashes forgets the hits, and a
    standby has none.
    """

    __tablename__ = "rate_limits"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    """The name of the policy, and a digest of the client."""
    paid_until: Mapped[int] = mapped_column(BigInteger)
    """The time at which the key has its whole quota again, in microseconds since 1970."""
    counted_at: Mapped[int] = mapped_column(BigInteger)
    """When the newest hits arrived, in microseconds since 1970."""
    allowed: Mapped[int]
    """How many of the newest hits were allowed."""
