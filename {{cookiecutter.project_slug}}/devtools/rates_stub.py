"""The stub of the downstream `rates`, which answers exchange rates of currencies. Delete this file with the example.

A rate is a string, because money is exact and a JSON number is not.
"""

from decimal import Decimal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

PER_DOLLAR = {
    "USD": Decimal(1),
    "EUR": Decimal("0.92"),
    "GBP": Decimal("0.79"),
    "CHF": Decimal("0.88"),
    "SEK": Decimal("10.45"),
    "JPY": Decimal("151.2"),
}

SIX_DIGITS = Decimal("0.000001")


def rate(base: str, quote: str) -> str:
    """Return the exchange rate: how many units of `quote` one unit of `base` costs.

    Raises:
        KeyError: a currency is unknown.
    """
    exact = PER_DOLLAR[quote] / PER_DOLLAR[base]
    return f"{exact.quantize(SIX_DIGITS).normalize():f}"


async def read_rate(request: Request) -> Response:
    """Answer `GET /rates/USD/EUR` with the exchange rate, or 404 for an unknown currency."""
    base, quote = request.path_params["base"], request.path_params["quote"]
    try:
        return JSONResponse({"base": base, "quote": quote, "rate": rate(base, quote)})
    except KeyError as unknown:
        return JSONResponse({"detail": f"unknown currency: {unknown.args[0]}"}, status_code=404)


ROUTES: list[BaseRoute] = [Route("/{base}/{quote}", read_rate)]
