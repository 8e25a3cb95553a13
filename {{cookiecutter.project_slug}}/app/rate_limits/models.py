"""The table of the rate limits that PostgreSQL counts."""

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import Base


class RateLimit(Base):
    """The count of one client's requests by one rate limit.

    The table is UNLOGGED: a hit (a counted request) writes no WAL and waits for no disk. A database server that crashes
    loses the counts, and a standby has no counts.
    """

    __tablename__ = "rate_limits"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    """The name of the rate limit's policy, and a digest of the client."""
    paid_until: Mapped[int] = mapped_column(BigInteger)
    """The time at which the client has the whole quota of the rate limit again, in microseconds since 1970."""
    counted_at: Mapped[int] = mapped_column(BigInteger)
    """When the client's newest requests were counted, in microseconds since 1970."""
    allowed: Mapped[int]
    """How many of the client's newest requests, which were counted together, the rate limit allowed."""
