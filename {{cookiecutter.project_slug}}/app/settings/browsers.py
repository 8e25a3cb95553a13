"""Settings for browsers: the host names of the service, and the origins whose pages may call the service (CORS)."""

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BaseModel

NAME = r"([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])"
HOST = re.compile(rf"(\*\.)?{NAME}")
ORIGIN = re.compile(rf"(https(?!.*:443$)|http(?!.*:80$))://{NAME}(:[1-9][0-9]*)?")
"""The pattern of an origin as browsers send it; an origin that is spelt differently would never match."""


def words(text: str | None) -> frozenset[str]:
    """Return the items of a comma-separated list."""
    return frozenset(word.strip() for word in (text or "").split(",")) - {""}


def each(pattern: re.Pattern[str], advice: str) -> AfterValidator:
    """Return a validator that refuses a comma-separated list with `advice`, unless each item matches the pattern.

    An empty text is valid; a list of only commas is not.
    """

    def check(text: str) -> str:
        if not all(map(pattern.fullmatch, words(text) or text.split())):
            raise ValueError(advice)
        return text

    return AfterValidator(check)


FORM = "write origins such as https://app.example.com, in lower case, without path, slash and usual port"

Hosts = Annotated[str, each(HOST, "write names such as api.example.com or *.example.com, in lower case, without port")]
Origins = Annotated[str, each(re.compile(rf"\*|{ORIGIN.pattern}"), FORM)]


class BrowserSettings(BaseModel, use_attribute_docstrings=True):
    """The settings for browsers: the host names of the service, and the origins whose pages may call the service."""

    allowed_hosts: Hosts | None = None
    """The host names of the service, comma separated, such as api.example.com or *.example.com. A request with a
    different Host header is answered with 400, except health probes. Unset allows any host name, for a service behind a
    proxy that checks host names."""

    cors_origins: Origins | None = None
    """The origins whose pages may call the service (CORS), comma separated, such as https://app.example.com; `*` allows
    every origin, and is refused in production."""

    cors_credentials: bool = False
    """Whether pages of CORS_ORIGINS may send cookies and other credentials of the browser. A page that sends an access
    token in a header needs no such permission."""

    def unsafe_origins(self, *, production: bool) -> Iterator[str]:
        """Yield an error sentence for each CORS setting that would let an attacker's pages call the service."""
        origins = words(self.cors_origins)
        if "*" in origins and self.cors_credentials:
            yield "CORS_ORIGINS must name the origins and not * when CORS_CREDENTIALS is true"
        if production and not all(origin.startswith("https://") for origin in origins):
            yield "CORS_ORIGINS must name origins that begin with https:// when ENVIRONMENT is production"
