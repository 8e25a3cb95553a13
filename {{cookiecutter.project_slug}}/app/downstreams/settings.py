"""What a downstream is told by settings: where it is, and how much of it and of our time it may cost."""

import json
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, HttpUrl, SecretStr, TypeAdapter, ValidationError

from app.downstreams.breaker import Limits


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


Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
HeaderValue = Annotated[SecretStr, AfterValidator(_check_value)]


class DownstreamSettings(BaseModel, use_attribute_docstrings=True, hide_input_in_errors=True):
    """One downstream."""

    base_url: HttpUrl
    """Where it answers, such as https://billing.internal:8443."""

    authorization: HeaderValue | None = None
    """The Authorization header of every call, such as `Bearer ...`; never written to a log."""

    headers: Annotated[SecretStr, AfterValidator(_check_headers)] = SecretStr("{}")
    """More headers of every call as JSON, such as `{"X-Api-Key": "..."}`; never written to a log either."""

    concurrency: int = Field(default=10, ge=1, le=20)
    """Calls in flight per worker. httpx slows down beyond 20, and a downstream wants a bound from each caller."""

    waiting: int = Field(default=50, ge=0)
    """Calls that may wait for one of those to end."""

    wait_seconds: Seconds = 0.5
    """How long each of them waits."""

    connect_seconds: Seconds = 1.0
    """A TCP and TLS handshake inside one data centre takes milliseconds; a second means it is not there."""

    read_seconds: Seconds = 1.5
    """The longest pause between two pieces of an answer."""

    total_seconds: Seconds = 2.0
    """The whole call, and so the most that the limits above can take: a trickle beats a limit per read."""

    max_bytes: int = Field(default=1_048_576, ge=1)
    """The largest answer. It is read whole, so concurrency times this is memory."""

    attempts: int = Field(default=3, ge=1, le=10)
    """How often a call that may be repeated is made at most."""

    retry_share: Share = 0.1
    """What each call earns, and so the most load that retries add to that of the calls."""

    retry_first_seconds: Seconds = 0.05
    """The longest pause before the first retry; each further one doubles it."""

    retry_longest_seconds: Seconds = 1.0
    """The longest pause before any."""

    breaker_share: Share = 0.5
    """The share of failures from which on there are no more calls for a while."""

    breaker_calls: int = Field(default=20, ge=1)
    """Calls in the window below which the share says nothing."""

    breaker_window_seconds: Seconds = 10.0
    """How far back failures count."""

    breaker_open_seconds: Seconds = 1.0
    """How long there are no calls; then a few show whether it is back."""

    breaker_probes: int = Field(default=1, ge=1)
    """Those few: so many at once, and as many must succeed."""

    cache_seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    """How long an answer is used again; 0 is never."""

    cache_stale_seconds: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    """How much longer, while the downstream fails."""

    cache_bytes: int = Field(default=10_485_760, ge=1)
    """What the answers that are kept may take in memory, per worker; the one not used for longest goes first."""

    @property
    def own_headers(self) -> dict[str, str]:
        """The headers of every call, secrets and all."""
        headers: dict[str, str] = json.loads(self.headers.get_secret_value())
        own = {"Authorization": self.authorization.get_secret_value()} if self.authorization else {}
        return headers | own

    @property
    def breaker(self) -> Limits:
        """The limits of the breaker."""
        return Limits(
            share=self.breaker_share,
            calls=self.breaker_calls,
            window_seconds=self.breaker_window_seconds,
            open_seconds=self.breaker_open_seconds,
            probes=self.breaker_probes,
        )


class DownstreamsSettings(BaseModel):
    """One field per downstream; the field's name is the downstream's name everywhere."""

    # {% if cookiecutter.example == "yes" %}
    rates: DownstreamSettings = DownstreamSettings(base_url=HttpUrl("http://127.0.0.1:8100/rates"))
    # {% endif %}
    # yours below
