"""The checks of an access token, one table per stage, so that a test can remove a single check.

Each table maps the reason of a refusal, which the client and the log get, to the function that checks.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jwt.types import Options

from app.settings.browsers import words
from app.settings.tokens import TokenSettings

MAX_CHARACTERS = 8192
"""The longest accepted access token, in characters; tokens of real issuers have 500 to 4,000."""

MAX_NAME = 255
"""The longest key id, subject and client id in a token, in characters: subjects are stored as owners of rows."""

LETTERS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
MAX_TIME = 1e11
"""The upper bound of times in a token, in seconds since 1970: refuses milliseconds, infinity and huge numbers."""

TIMES = ("exp", "iat", "nbf")
FOREIGN = ("nonce", "at_hash", "c_hash", "events")
"""Claims of ID tokens and of logout tokens, which an access token never has."""

Check = Callable[[Mapping[str, Any], TokenSettings], bool]
"""The type of a check: a function that tells whether the header or the claims of a token are valid."""


def is_name(value: object) -> bool:
    """Tell whether a value is a text that may be an id: not empty, short, without spaces and control characters."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable() and " " not in value


def is_time(value: object) -> bool:
    """Tell whether a value is a number of seconds since 1970; PyJWT alone would also accept the text "1"."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MAX_TIME


def scopes_in(claims: Mapping[str, Any], claim: str) -> frozenset[str] | None:
    """Return the scopes in a claim, a space-separated text or a list of texts; None for any other value."""
    found = claims.get(claim, "")
    listed = found.split() if isinstance(found, str) else found
    if not isinstance(listed, list) or not all(map(is_name, listed)):
        return None
    return frozenset(listed)


BEFORE: Mapping[str, Callable[[str], bool]] = {
    "it is too long": lambda token: len(token) <= MAX_CHARACTERS,
    "it has characters that no token has": lambda token: LETTERS.fullmatch(token) is not None,
}
"""The checks of the text of a token before the text is parsed, by the reason of the refusal."""

HEADER: Mapping[str, Check] = {
    "its algorithm is not accepted": lambda header, rules: str(header.get("alg")) in words(rules.algorithms),
    "it is no access token": lambda header, rules: type_of(header) in words(rules.types),
    "it names no key": lambda header, _rules: is_name(header.get("kid")),
}
"""The checks of a token's header, before the key is looked up by the key id; the key id has no other use. The header
`crit` needs no check here: PyJWT refuses unknown extensions."""

OPTIONS: Options = {
    "require": ["exp", "iat", "sub"],
    "verify_exp": True,
    "verify_nbf": True,
    "verify_iat": True,
    "verify_aud": True,
    "verify_iss": True,
}
"""PyJWT's options for the checks that it makes together with the signature. `require` need not list issuer and
audience: PyJWT refuses a token without a claim that it has to compare."""

CLAIMS: Mapping[str, Check] = {
    "a time in it is no number": lambda claims, _rules: all(is_time(claims.get(name, 0)) for name in TIMES),
    "it lives too long": lambda claims, rules: claims["exp"] - claims["iat"] <= rules.max_lifetime_seconds,
    "it has no subject": lambda claims, _rules: is_name(claims["sub"]),
    "it has no proper client": lambda claims, rules: is_name(claims.get(rules.client_claim, "none")),
    "it has no proper scopes": lambda claims, rules: scopes_in(claims, rules.scope_claim) is not None,
    "it is for a client and not for an API": lambda claims, _rules: not any(name in claims for name in FOREIGN),
}
"""The checks of a token's claims, after the check of the signature."""


def type_of(header: Mapping[str, Any]) -> str:
    """Return the type of a token (header `typ`) as the settings spell types, whatever the letter case in the token."""
    found = str(header.get("typ")).lower().removeprefix("application/")
    return "JWT" if found == "jwt" else found


@dataclass(frozen=True, slots=True)
class Checks:
    """All checks of a token, one field per stage; a test passes an instance that lacks a single check."""

    before: Mapping[str, Callable[[str], bool]] = field(default_factory=lambda: BEFORE)
    header: Mapping[str, Check] = field(default_factory=lambda: HEADER)
    options: Options = field(default_factory=lambda: OPTIONS)
    claims: Mapping[str, Check] = field(default_factory=lambda: CLAIMS)
