"""Exchange rates, in the words of this feature. The downstream `rates` knows them."""

from decimal import Decimal, InvalidOperation

from app.downstreams.client import Downstream
from app.errors import DownstreamBadResponse, Invalid


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
        answer = await self._downstream.get_json(base, quote)
        if answer is None:
            raise Invalid(f"There is no rate from {base} to {quote}.")
        try:
            rate = Decimal(answer["rate"])
        except (KeyError, TypeError, InvalidOperation) as error:
            raise DownstreamBadResponse(self._downstream.name, "its answer has no rate.") from error
        if not rate.is_finite() or rate <= 0:
            raise DownstreamBadResponse(self._downstream.name, "its rate is not a positive number.")
        return rate
