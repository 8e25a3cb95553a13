"""The tree of expected errors of the service. `web/handlers.py` turns each error into a response.

    ServiceError                     500  internal_error          the base class, never raised itself
    |-- NotFound                     404  not_found               the requested object does not exist
    |-- Conflict                     409  conflict                the object's state forbids the request
    |-- Invalid                      422  invalid_request         the request is well-formed, but makes no sense
    |-- UnsupportedType              415  unsupported_media_type  the body has an unsupported media type
    |-- Unavailable                  503  unavailable             a part of the service is unreachable or full
    `-- OutcomeUnknown               504  outcome_unknown         a write was sent, and the database did not confirm it

The docstring of `DownstreamError` shows the tree of its subclasses. Modules that know no HTTP raise these errors; the
web layer reads `status` and `code`. The code is stable and for machines. Clients see the message of an error: write
messages for clients, without internals.
"""

from typing import ClassVar


class CannotStart(Exception):
    """Raised when the service must not start; the message tells the operator the reason."""


class ServiceError(Exception):
    """The base class of expected failures, each with a message for the client."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    retry_after_seconds: int | None = None

    def __init_subclass__(cls, *, status: int | None = None, code: str | None = None) -> None:
        """Take `status` and `code` from the class statement of a subclass; the default is that of the parent class."""
        cls.status, cls.code = status or cls.status, code or cls.code

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(ServiceError, status=404, code="not_found"):
    """The requested object does not exist."""


class Conflict(ServiceError, status=409, code="conflict"):
    """The requested object exists, but the state of the object forbids the request."""


class Invalid(ServiceError, status=422, code="invalid_request"):
    """The request is well-formed, but the values make no sense, such as an unknown pair of currencies."""


class UnsupportedType(ServiceError, status=415, code="unsupported_media_type"):
    """The request body has an unsupported media type; the message names the supported types."""


class Unavailable(ServiceError, status=503, code="unavailable"):
    """A part that the service needs, such as the database, is unreachable or full; a later retry may succeed."""

    retry_after_seconds = 1


# {% if cookiecutter.http_client != "none" %}
class DownstreamError(ServiceError, status=502, code="downstream_failed"):
    """A call to a downstream failed; `name` is the name of the downstream.

    DownstreamError              502  downstream_failed       a downstream failed
    |-- DownstreamBadResponse    502  downstream_bad_response the response is unusable
    |-- DownstreamRejected       502  downstream_rejected     the downstream answered 4xx, which a feature may interpret
    |   `-- DownstreamNotFound   502  downstream_not_found    the downstream answered 404, which a feature may interpret
    |-- DownstreamUnavailable    503  downstream_unavailable  the downstream is unreachable, or asks for a later retry
    |   |-- DownstreamOverloaded 503  downstream_overloaded   the downstream's bulkhead in this worker is full
    |   `-- DownstreamRefused    503  downstream_refused      the circuit breaker is open: no call is made
    `-- DownstreamTimedOut       504  downstream_timed_out    the downstream did not answer in time
    """

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name


class DownstreamBadResponse(DownstreamError, code="downstream_bad_response"):
    """A downstream sent an unusable response: no HTTP, no JSON, or too large."""


class DownstreamRejected(DownstreamError, code="downstream_rejected"):
    """A downstream answered 4xx to a call; `answered` is the status, which a feature may interpret."""

    def __init__(self, name: str, answered: int, detail: str = "") -> None:
        super().__init__(name, detail or f"it answered {answered}.")
        self.answered = answered


class DownstreamNotFound(DownstreamRejected, code="downstream_not_found"):
    """A downstream answered 404; a feature usually catches this error and raises an error of its own."""


class DownstreamUnavailable(DownstreamError, status=503, code="downstream_unavailable"):
    """A downstream is unreachable, or asks for a later retry."""

    def __init__(self, name: str, detail: str, asked_seconds: int | None = None) -> None:
        super().__init__(name, detail)
        self.asked_seconds = asked_seconds
        """The seconds of the downstream's Retry-After header, None without the header."""
        self.retry_after_seconds = asked_seconds or 1


class DownstreamOverloaded(DownstreamUnavailable, code="downstream_overloaded"):
    """The bulkhead of a downstream is full: too many calls of this worker are in flight or queued."""


class DownstreamRefused(DownstreamUnavailable, code="downstream_refused"):
    """The circuit breaker of a downstream is open: too many calls failed, so no call is made for a while."""


class DownstreamTimedOut(DownstreamError, status=504, code="downstream_timed_out"):
    """A downstream did not answer in time."""


# {% endif %}
class OutcomeUnknown(ServiceError, status=504, code="outcome_unknown"):
    """A COMMIT was sent, and the database did not answer in time: the write may have happened, or not."""
