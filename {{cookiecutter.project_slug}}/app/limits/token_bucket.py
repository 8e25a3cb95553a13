"""Token bucket: a rate limit that allows a burst and then a steady rate, for retries and for log lines."""

from time import monotonic


class TokenBucket:
    """A bucket of tokens that starts full and refills at a steady rate."""

    def __init__(self, *, size: int, refill_seconds: float) -> None:
        """Build a full bucket.

        Args:
            size: the most tokens in the bucket, also at the start.
            refill_seconds: the seconds after which a token is added.
        """
        self.size = size
        self.refill_seconds = refill_seconds
        self._tokens = float(size)
        self._counted = monotonic()

    def take(self) -> bool:
        """Take a token from the bucket and return True; return False when the bucket is empty."""
        now = monotonic()
        self._tokens = min(self.size, self._tokens + (now - self._counted) / self.refill_seconds)
        self._counted = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
