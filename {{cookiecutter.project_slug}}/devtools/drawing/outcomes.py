"""Outcomes of requests on all pages: each has a colour and a marker of its own, and a place in the legend."""

from dataclasses import dataclass

STATUS_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """A kind of end of a request; `series` is the CSS class."""

    series: str
    name: str
    colour: str
    """Colour of the palette."""
    marker: str
    """Marker in charts, a name in `MARKERS` of `frames.py`: readers who see no colours tell outcomes apart by it."""


OK = Outcome("outcome-ok", "2xx/3xx", "ok", "dot")
REJECTED = Outcome("outcome-rejected", "4xx", "rejected", "square")
SHED = Outcome("outcome-shed", "429/503", "shed", "triangle")
LATE = Outcome("outcome-late", "504", "late", "diamond")
ERROR = Outcome("outcome-error", "500/other 5xx", "error", "cross")
BROKEN = Outcome("outcome-broken", "connection error", "text", "plus")
OUTCOMES = (OK, REJECTED, SHED, LATE, ERROR, BROKEN)
SERIES = {outcome.series: outcome.colour for outcome in OUTCOMES}

SPECIAL = {"429": SHED, "503": SHED, "504": LATE}
BY_FIRST_DIGIT = {"2": OK, "3": OK, "4": REJECTED, "5": ERROR}


def outcome_of(ended: str) -> Outcome:
    """Return the outcome of a request that ended with a status, such as `503`, or with a reason for no response."""
    if len(ended) != STATUS_DIGITS or not ended.isdecimal():
        return BROKEN
    return SPECIAL.get(ended) or BY_FIRST_DIGIT.get(ended[0], ERROR)
