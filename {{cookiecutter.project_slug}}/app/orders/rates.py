"""The client for exchange rates: calls the downstream `rates`, and raises `Invalid` for unknown currencies."""

from decimal import Decimal, InvalidOperation

from app.downstreams.downstream import Downstream
from app.errors import DownstreamBadResponse, DownstreamNotFound, Invalid

LEAST, GREATEST = Decimal("1e-9"), Decimal("1e9")  # the bounds of plausible exchange rates between real currencies


class Rates:
    """The client for the exchange rates of the downstream `rates`."""

    def __init__(self, downstream: Downstream) -> None:
        self._downstream = downstream

    async def rate(self, base: str, quote: str) -> Decimal:
        """Return the exchange rate: the units of currency `quote` for one unit of currency `base`.

        Raises:
            Invalid: the downstream knows no rate for this pair of currencies.
            DownstreamError: the call failed, or the response has no usable rate.
        """
        if base == quote:
            return Decimal(1)
        try:
            return await self._downstream.get(base, quote, read=self._read)
        except DownstreamNotFound:
            raise Invalid(f"There is no rate from {base} to {quote}.") from None

    def _read(self, answer: object) -> Decimal:
        """Return the exchange rate in a response body.

        The rate must be text, as a JSON number would become an inexact float.
        """
        text = answer.get("rate") if isinstance(answer, dict) else None
        try:
            rate = Decimal(text) if isinstance(text, str) else Decimal("NaN")
        except InvalidOperation:
            rate = Decimal("NaN")
        if not rate.is_finite() or not LEAST <= rate <= GREATEST:
            raise DownstreamBadResponse(self._downstream.name, "its response has no usable rate.")
        return rate
