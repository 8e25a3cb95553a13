"""Settings of what browsers may do: the names of the service, and the sites whose pages may call it (CORS)."""

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BaseModel

NAME = r"([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])"
HOST = re.compile(rf"(\*\.)?{NAME}")
ORIGIN = re.compile(rf"(https(?!.*:443$)|http(?!.*:80$))://{NAME}(:[1-9][0-9]*)?")
"""The spelling of an origin that browsers send; any other spelling would never match."""


def words(text: str | None) -> frozenset[str]:
    """Return the words of a comma-separated list."""
    return frozenset(word.strip() for word in (text or "").split(",")) - {""}


def each(pattern: re.Pattern[str], advice: str) -> AfterValidator:
    """Return the check that each word of a comma-separated list matches a pattern; a list without words is refused."""

    def check(text: str) -> str:
        if not all(map(pattern.fullmatch, words(text) or text.split())):
            raise ValueError(advice)
        return text

    return AfterValidator(check)


FORM = "write origins such as https://app.example.com, in lower case, without path, slash and usual port"

Hosts = Annotated[str, each(HOST, "write names such as api.example.com or *.example.com, in lower case, without port")]
Origins = Annotated[str, each(re.compile(rf"\*|{ORIGIN.pattern}"), FORM)]


class BrowserSettings(BaseModel, use_attribute_docstrings=True):
    """The names of the service, and the sites whose pages may call it."""

    allowed_hosts: Hosts | None = None
    """The names of the service, comma separated, such as api.example.com or *.example.com: a request for a different
    name is a 400, probes apart. Unset means any name, which is for a service behind a proxy that checks names."""

    cors_origins: Origins | None = None
    """The origins whose pages may call the service, comma separated, such as https://app.example.com; `*` means every
    page, in development only."""

    cors_credentials: bool = False
    """Whether these pages may send cookies and other credentials of the browser; access tokens do not need it."""

    def unsafe_origins(self, *, production: bool) -> Iterator[str]:
        """Yield a sentence for each origin whose pages could be pages of an attacker."""
        origins = words(self.cors_origins)
        if "*" in origins and self.cors_credentials:
            yield "CORS_ORIGINS must name the origins and not * when CORS_CREDENTIALS is true"
        if production and not all(origin.startswith("https://") for origin in origins):
            yield "CORS_ORIGINS must name origins that begin with https:// when ENVIRONMENT is production"
