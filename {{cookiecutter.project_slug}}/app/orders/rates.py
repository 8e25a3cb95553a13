"""Exchange rates, in the words of this feature. The downstream `rates` knows them."""

from decimal import Decimal, InvalidOperation

from app.downstreams.downstream import Downstream
from app.errors import DownstreamBadResponse, DownstreamNotFound, Invalid

LEAST, GREATEST = Decimal("1e-9"), Decimal("1e9")  # no pair of currencies is anywhere near


class Rates:
    """Converts between currencies."""

    def __init__(self, downstream: Downstream) -> None:
        self._downstream = downstream

    async def rate(self, base: str, quote: str) -> Decimal:
        """Return the units of `quote` for one unit of `base`.

        Raises:
            Invalid: the downstream knows no such pair.
            DownstreamError: it gave no usable answer.
        """
        if base == quote:
            return Decimal(1)
        try:
            return await self._downstream.get(base, quote, read=self._read)
        except DownstreamNotFound:
            raise Invalid(f"There is no rate from {base} to {quote}.") from None

    def _read(self, answer: object) -> Decimal:
        """Take a text only: a JSON number has been a float on its way, and a float is not exact."""
        text = answer.get("rate") if isinstance(answer, dict) else None
        try:
            rate = Decimal(text) if isinstance(text, str) else Decimal("NaN")
        except InvalidOperation:
            rate = Decimal("NaN")
        if not rate.is_finite() or not LEAST <= rate <= GREATEST:
            raise DownstreamBadResponse(self._downstream.name, "its answer has no usable rate.")
        return rate
