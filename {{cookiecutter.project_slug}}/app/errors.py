"""Everything that can go wrong on purpose, as one tree. `problems.py` turns it into answers.

    ServiceError                     500  never raised itself
    |-- NotFound                     404  the thing asked for does not exist
    |-- Conflict                     409  it exists, and its state forbids this
    |-- Invalid                      422  well-formed, but makes no sense
    |-- UnsupportedType              415  sent as something that we do not read
    |-- Unavailable                  503  a part that we need is away or full; try again later
    `-- DownstreamError              502  another service let us down
        |-- DownstreamBadResponse    502  it answered something that we cannot use
        |-- DownstreamRejected       502  it says that our request is at fault; a feature may know what that means
        |   `-- DownstreamNotFound   502  it knows no such thing; a feature usually says what that means for it
        |-- DownstreamUnavailable    503  it is away or asks us to come back later
        |   |-- DownstreamOverloaded 503  too many of our own calls wait for it
        |   `-- DownstreamRefused    503  too many calls failed; none is made for a while
        `-- DownstreamTimedOut       504  it did not answer in time

Services raise these and know nothing of HTTP; the number is only how the edge speaks of them. The message is shown to
clients: write it for them, with no internals.
"""

from typing import ClassVar


class ServiceError(Exception):
    """An expected failure, with a sentence for the client."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retry_after_seconds: int | None = None

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(ServiceError):
    """The thing asked for does not exist."""

    status = 404
    title = "Not found"


class Conflict(ServiceError):
    """The thing exists, and its state forbids this."""

    status = 409
    title = "Conflict"


class Invalid(ServiceError):
    """The request is well-formed, but makes no sense."""

    status = 422
    title = "Invalid request"


class UnsupportedType(ServiceError):
    """The body is of a media type that is not read here; say which ones are."""

    status = 415
    title = "Unsupported media type"


class Unavailable(ServiceError):
    """A part that the service needs is away or full; trying again later may help."""

    status = 503
    title = "Service unavailable"
    retry_after_seconds = 1


class DownstreamError(ServiceError):
    """Another service let us down; `name` says which."""

    status = 502
    title = "Downstream failed"

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name


class DownstreamBadResponse(DownstreamError):
    """It answered something that we cannot use."""

    title = "Downstream answered badly"


class DownstreamRejected(DownstreamError):
    """It says that our request is at fault; `answered` is its status, for a feature that knows what that means."""

    title = "Downstream rejected the request"

    def __init__(self, name: str, answered: int, detail: str = "") -> None:
        super().__init__(name, detail or f"it answered {answered}.")
        self.answered = answered


class DownstreamNotFound(DownstreamRejected):
    """It knows no such thing; a feature usually catches this and says what it means for it."""

    title = "Downstream knows no such thing"


class DownstreamUnavailable(DownstreamError):
    """It is away, or asks us to come back later."""

    status = 503
    title = "Downstream unavailable"

    def __init__(self, name: str, detail: str, asked_seconds: int | None = None) -> None:
        super().__init__(name, detail)
        self.asked_seconds = asked_seconds
        """What it asked us to wait."""
        self.retry_after_seconds = asked_seconds or 1


class DownstreamOverloaded(DownstreamUnavailable):
    """Too many of our own calls wait for it."""

    title = "Downstream overloaded"


class DownstreamRefused(DownstreamUnavailable):
    """Too many calls failed; none is made for a while."""

    title = "Downstream refused by its breaker"


class DownstreamTimedOut(DownstreamError):
    """It did not answer in time."""

    status = 504
    title = "Downstream timed out"
