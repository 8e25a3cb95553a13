"""The checks of an access token, in a table each for the text, the header and the claims of the token.

Each table maps the reason of a refusal, which the client and the log get, to the function that checks. A test can
remove a single check from a table, to show that this check alone refuses a forged token.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jwt.types import Options

from app.settings.browsers import words
from app.settings.tokens import TokenSettings

MAX_CHARACTERS = 8192
"""The longest accepted access token, in characters; tokens of real issuers have 500 to 4,000."""

MAX_NAME = 255
"""The most characters of a key id, a subject or a client id in an access token. A subject is stored as the owner of
rows, in a database column of this length."""

LETTERS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
MAX_TIME = 1e11
"""The upper bound of times in a token, in seconds since 1970: refuses milliseconds, infinity and huge numbers."""

TIMES = ("exp", "iat", "nbf")
FOREIGN = ("nonce", "at_hash", "c_hash", "events")
"""Claims of ID tokens and of logout tokens, which an access token never has."""

Stage = Mapping[str, Callable[[Any, TokenSettings], bool]]
"""The type of a table of checks: maps the reason of a refusal to the function that checks the text, the header or the
claims of an access token."""


def is_name(value: object) -> bool:
    """Tell whether a value is a text that may be an id: not empty, short, without spaces and control characters."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable() and " " not in value


def is_time(value: object) -> bool:
    """Tell whether a value is a number of seconds since 1970; PyJWT alone would also accept the text "1"."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MAX_TIME


def type_of(header: Mapping[str, Any]) -> str:
    """Return the type of a token (header `typ`) in lower case, without the prefix `application/` of a media type."""
    return str(header.get("typ")).lower().removeprefix("application/")


def scopes_in(claims: Mapping[str, Any], claim: str) -> frozenset[str] | None:
    """Return the scopes in a claim, a space-separated text or a list of texts; None for any other value."""
    found = claims.get(claim, "")
    listed = found.split() if isinstance(found, str) else found
    if not isinstance(listed, list) or not all(map(is_name, listed)):
        return None
    return frozenset(listed)


BEFORE: Stage = {
    "it is too long": lambda token, _rules: len(token) <= MAX_CHARACTERS,
    "it has characters that no token has": lambda token, _rules: LETTERS.fullmatch(token) is not None,
}
"""The checks of an access token's text, made before the text is parsed."""

HEADER: Stage = {
    "its algorithm is not accepted": lambda header, rules: str(header.get("alg")) in words(rules.algorithms),
    "it is no access token": lambda header, rules: type_of(header) in words(rules.types.lower()),
    "it names no key": lambda header, _rules: is_name(header.get("kid")),
}
"""The checks of a token's header, which precede the look-up of the public key. The key id in the header is used for
this look-up only. The header field `crit` needs no check here: PyJWT refuses unknown extensions."""

OPTIONS: Options = {"require": ["exp", "iat", "sub"]}
"""PyJWT's options for the check of a token's signature and claims; by default PyJWT checks issuer, audience and all
times. `require` lists claims that every token must have. It need not list issuer and audience: PyJWT refuses a token
that lacks a claim to compare."""

CLAIMS: Stage = {
    "a time in it is no number": lambda claims, _rules: all(is_time(claims.get(name, 0)) for name in TIMES),
    "it lives too long": lambda claims, rules: claims["exp"] - claims["iat"] <= rules.max_lifetime_seconds,
    "it has no subject": lambda claims, _rules: is_name(claims["sub"]),
    "it has no proper client": lambda claims, rules: is_name(claims.get(rules.client_claim, "none")),
    "it has no proper scopes": lambda claims, rules: scopes_in(claims, rules.scope_claim) is not None,
    "it is for a client and not for an API": lambda claims, _rules: not any(name in claims for name in FOREIGN),
}
"""The checks of an access token's claims, made after the check of the signature."""


class Checks(NamedTuple):
    """All checks of an access token, in the sequence of their runs; a test passes an instance that lacks a check."""

    before: Stage = BEFORE
    header: Stage = HEADER
    options: Options = OPTIONS
    claims: Stage = CLAIMS


ALL = Checks()
