"""A token bucket: so often at once, and so often again as time passes. What repeats work must not double a storm."""

from time import monotonic


class Budget:
    """`size` tokens at first and at most; one comes back every `seconds`."""

    def __init__(self, *, size: int, seconds: float) -> None:
        self.size = size
        self.seconds = seconds
        self._tokens = float(size)
        self._counted = monotonic()

    def take(self) -> bool:
        """Take a token if there is one."""
        now = monotonic()
        self._tokens = min(self.size, self._tokens + (now - self._counted) / self.seconds)
        self._counted = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
