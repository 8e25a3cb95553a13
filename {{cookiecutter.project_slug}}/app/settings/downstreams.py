"""Settings of each downstream, a service that this service calls: address, timeouts, and bounds on calls."""

import json
from collections.abc import Iterator, Mapping
from math import inf
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, HttpUrl, SecretStr, TypeAdapter, ValidationError

from app.settings.bounds import Thresholds


def _check_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable():
        raise ValueError("a header is one line of ASCII.")
    return value


def _check_headers(value: SecretStr) -> SecretStr:
    try:
        headers = TypeAdapter(dict[HeaderName, HeaderValue]).validate_json(value.get_secret_value())
    except ValidationError as error:
        raise ValueError(error.errors(include_input=False, include_context=False)[0]["msg"]) from None
    return SecretStr(json.dumps({name: header.get_secret_value() for name, header in headers.items()}))


def _check_address(url: HttpUrl) -> HttpUrl:
    if {url.username, url.password, url.query, url.fragment} != {None}:
        raise ValueError("an address has no login, query or fragment; a login belongs in AUTHORIZATION.")
    return url


Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]  # the limit of 1 h detects values in milliseconds
Ratio = Annotated[float, Field(gt=0, le=1)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
HeaderValue = Annotated[SecretStr, AfterValidator(_check_value)]


class DownstreamSettings(BaseModel, use_attribute_docstrings=True, hide_input_in_errors=True, extra="forbid"):
    """The settings of one downstream: address, headers, timeouts, concurrency, retries, circuit breaker and cache."""

    base_url: Annotated[HttpUrl, AfterValidator(_check_address)] | None = None
    """The address of the downstream, such as https://billing.internal:8443; in production the service does not start
    without an address. For certificates of a private authority set SSL_CERT_FILE, OpenSSL's own variable, in the
    environment of the process; in `.env` the variable has no effect."""

    authorization: HeaderValue | None = None
    """The Authorization header of every call, such as `Bearer ...`; never written to a log."""

    headers: Annotated[SecretStr, AfterValidator(_check_headers)] = SecretStr("{}")
    """Further headers of every call, as JSON such as `{"X-Api-Key": "..."}`; never written to a log."""

    max_concurrent: int = Field(default=10, ge=1, le=20)
    """The most concurrent calls of one worker: protects the downstream from overload; httpx slows down beyond 20
    calls."""

    max_queue: int = Field(default=50, ge=0)
    """The most calls that may wait until a call in flight ends; when this queue is full, a call is refused
    immediately."""

    queue_timeout_seconds: Seconds = 0.5
    """The longest time that a call may wait in the queue, after which the call is refused."""

    connect_timeout_seconds: Seconds = 1.0
    """The timeout of the TCP and TLS handshakes, which take milliseconds inside one data centre."""

    read_timeout_seconds: Seconds = 1.5
    """The longest pause between two chunks of a response (read timeout); also the timeout of sending a request body."""

    timeout_seconds: Seconds = 2.0
    """The timeout of a whole call with all retries, as a response that trickles in never reaches the read timeout."""

    route_groups: str | None = None
    """The route groups that call the downstream, comma separated; unset means any. The timeout of a call must be less
    than the deadline of each of these groups, else the deadline ends a call before the timeout can."""

    max_bytes: int = Field(default=1_048_576, ge=1)
    """The largest response body in bytes; a worker may hold `max_concurrent` bodies of this size in memory."""

    max_attempts: int = Field(default=3, ge=1, le=10)
    """Attempts of one retryable call, the first attempt included."""

    retry_ratio: Ratio = 0.1
    """The retry budget: retries divided by calls. 0.1 lets retries add at most 10 % to the downstream's load."""

    retry_first_backoff_seconds: Seconds = 0.05
    """The upper bound of the random backoff before the first retry; each further retry doubles the bound."""

    retry_max_backoff_seconds: Seconds = 1.0
    """The upper bound of the random backoff before any retry, however many retries preceded."""

    breaker_failure_ratio: Ratio = 0.5
    """The circuit breaker opens when failed calls divided by all calls reach this ratio."""

    breaker_min_calls: int = Field(default=20, ge=1)
    """The least number of calls in the circuit breaker's window at which the breaker may open: a few failures prove no
    outage."""

    breaker_window_seconds: Seconds = 10.0
    """The window of the circuit breaker: how many seconds the breaker remembers the outcome of a call."""

    breaker_open_seconds: Seconds = 1.0
    """How long the open circuit breaker refuses every call; then probes test whether the downstream works again."""

    breaker_probes: int = Field(default=1, ge=1)
    """Probe calls that may run concurrently in the half-open circuit breaker; as many successes close the breaker."""

    cache_seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    """How long a response is served from the cache; 0 turns the cache off."""

    cache_stale_seconds: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    """How long after `cache_seconds` a stale response is still served while the downstream fails (stale-if-error)."""

    cache_bytes: int = Field(default=10_485_760, ge=1)
    """The memory for cached responses per worker in bytes; the least recently used response is dropped first."""

    def misnested(self, name: str, deadlines: Mapping[str, float]) -> Iterator[str]:
        """Yield an error sentence for each timeout that can never fire, because the enclosing timeout is not longer.

        Args:
            name: the name of the downstream.
            deadlines: the deadline of each route group in seconds, 0 for none.
        """
        variable = f"DOWNSTREAMS__{name}__".upper()
        for inner in ("queue_timeout_seconds", "connect_timeout_seconds", "read_timeout_seconds"):
            if getattr(self, inner) >= self.timeout_seconds:
                yield f"{variable}{inner.upper()} must be less than {variable}TIMEOUT_SECONDS"
        callers = {group.strip() for group in (self.route_groups or "").split(",")} - {""} or deadlines.keys()
        if callers - deadlines.keys():
            yield f"{variable}ROUTE_GROUPS must name some of {', '.join(deadlines)}"
        shortest, group = min(((deadlines.get(group) or inf), group) for group in callers)
        if shortest <= self.timeout_seconds:
            outer = f"ROUTE_GROUPS__{group}__DEADLINE_SECONDS".upper()
            yield f"{variable}TIMEOUT_SECONDS must be less than {outer}"

    @property
    def own_headers(self) -> dict[str, str]:
        """The headers that the service adds to every call to the downstream, secrets included."""
        headers: dict[str, str] = json.loads(self.headers.get_secret_value())
        own = {"Authorization": self.authorization.get_secret_value()} if self.authorization else {}
        return headers | own

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds of the downstream's circuit breaker, from the settings `breaker_*`."""
        return Thresholds(
            failure_ratio=self.breaker_failure_ratio,
            min_calls=self.breaker_min_calls,
            window_seconds=self.breaker_window_seconds,
            open_seconds=self.breaker_open_seconds,
            probes=self.breaker_probes,
        )


class DownstreamsSettings(BaseModel, extra="forbid"):
    """The settings of all downstreams: one field per downstream, named as in code, log lines and variables."""

    # {% if cookiecutter.example != "no" %}
    rates: DownstreamSettings = DownstreamSettings()
    # {% endif %}# {% if cookiecutter.example != "no" and cookiecutter.jobs == "yes" %}
    confirmations: DownstreamSettings = DownstreamSettings()
    # {% endif %}# {% if cookiecutter.auth == "jwt" %}
    issuer: DownstreamSettings = DownstreamSettings(max_bytes=65_536)
    # {% endif %}
    # yours below
