"""Everything that can go wrong on purpose, as one tree. `problems.py` turns it into answers.

    ServiceError                     500  never raised itself
    |-- NotFound                     404  the thing asked for does not exist
    |-- Conflict                     409  it exists, and its state forbids this
    |-- Invalid                      422  well-formed, but makes no sense
    |-- Unavailable                  503  a part that we need is away or full; try again later
    `-- DownstreamError              502  another service let us down
        |-- DownstreamBadResponse    502  it answered something that we cannot use
        |-- DownstreamNotFound       502  it knows no such thing; a feature usually says what that means for it
        |-- DownstreamUnavailable    503  it is away or refuses us
        `-- DownstreamTimedOut       504  it did not answer in time

Services raise these and know nothing of HTTP; the number is only how the edge speaks of them. The message is shown to
clients: write it for them, with no internals.
"""

from typing import ClassVar


class ServiceError(Exception):
    """An expected failure, with a sentence for the client."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retry_after_seconds: ClassVar[int | None] = None

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


class DownstreamNotFound(DownstreamError):
    """It knows no such thing; a feature usually catches this and says what it means for it."""

    title = "Downstream knows no such thing"


class DownstreamUnavailable(DownstreamError):
    """It is away or refuses us."""

    status = 503
    title = "Downstream unavailable"
    retry_after_seconds = 1


class DownstreamTimedOut(DownstreamError):
    """It did not answer in time."""

    status = 504
    title = "Downstream timed out"
