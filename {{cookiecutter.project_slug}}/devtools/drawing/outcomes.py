"""Outcomes of requests in charts: each has its own colour, marker and position in the legend."""

from dataclasses import dataclass

STATUS_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """A kind of outcome of a request, such as a status class; `series` is the CSS class."""

    series: str
    name: str
    colour: str
    """The name of the outcome's colour in the palette."""
    marker: str
    """The outcome's marker, a name in `MARKERS` of `frames.py`: readers who see no colours rely on the marker."""


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
    """Return the outcome of a request from its end: a status such as `503`, or the reason for no response."""
    if len(ended) != STATUS_DIGITS or not ended.isdecimal():
        return BROKEN
    return SPECIAL.get(ended) or BY_FIRST_DIGIT.get(ended[0], ERROR)
