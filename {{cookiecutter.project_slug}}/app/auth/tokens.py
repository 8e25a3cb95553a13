"""The check of access tokens: by PyJWT, with further checks before and after the check of the signature.

    size and letters -> header -> key of the issuer -> signature, issuer, audience, times -> claims -> principal

The order matters: no token is parsed that is too large, no key is looked up for a refused header, and no claim is used
before the signature is checked.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from time import time
from typing import Any, NamedTuple

import jwt
import structlog
from jwt import PyJWK, PyJWTError
from jwt.utils import base64url_decode

from app.auth.checks import ALL, Checks, Stage, scopes_in
from app.auth.keys import Clock, Fetch, Keys
from app.request.authenticated import Principal, unauthorized
from app.settings.tokens import TokenSettings

KEPT = 2048
"""The largest number of access tokens whose check is cached in memory; the least recently used token is dropped
first."""

KEPT_SECONDS = 60.0
"""How long, in seconds, a checked access token is accepted without a new check; never beyond the token's expiry."""

log = structlog.get_logger("auth")


class Checked(NamedTuple):
    """The cached result of a check: the token's principal, the key of its signature, and the end of the cache time."""

    principal: Principal
    key: PyJWK
    until: float


class Tokens:
    """Checks access tokens of one issuer, and caches the results of valid tokens."""

    def __init__(
        self, settings: TokenSettings, issuer: str, keys: Keys, *, checks: Checks = ALL, clock: Clock = time
    ) -> None:
        """Build the check of access tokens.

        Args:
            settings: the algorithms, types, claims and lifetime of accepted tokens.
            issuer: the name of the issuer in the claim `iss`, never None, for which PyJWT would not check the claim.
            keys: the keys of the issuer.
            checks: the checks; by default all.
            clock: returns the seconds since 1970, as times in tokens are; tests pass a fake clock.
        """
        self.settings, self.issuer, self.keys = settings, issuer, keys
        self._checks, self._clock = checks, clock
        self._kept: OrderedDict[bytes, Checked] = OrderedDict()

    async def principal(self, token: str, fetch: Fetch) -> Principal:
        """Return the principal of a token.

        Raises:
            HTTPException: 401, the token is not accepted.
            Unavailable: the keys of the issuer are not available.
        """
        self._refuse_unless(self._checks.before, token)
        digest = sha256(token.encode()).digest()
        kept = self._kept.pop(digest, None)
        if kept is None or kept.until <= self._clock() or not self.keys.accepts(kept.key):
            kept = await self._check(token, fetch)
        self._kept[digest] = kept
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return kept.principal

    async def _check(self, token: str, fetch: Fetch) -> Checked:
        header = header_of(token)
        self._refuse_unless(self._checks.header, header)
        key = await self.keys.get((header["kid"], header["alg"]), fetch)
        if key is None:
            raise refused("its key is not one of the issuer")
        claims, rules = self._claims(token, key), self.settings
        subject, scopes = claims["sub"], scopes_in(claims, rules.scope_claim) or frozenset()
        principal = Principal(subject, claims.get(rules.client_claim, subject), scopes, claims["exp"])
        return Checked(principal, key, min(principal.expires_at, self._clock() + KEPT_SECONDS))

    def _claims(self, token: str, key: PyJWK) -> dict[str, Any]:
        """Return the claims of a token, after the signature, the issuer, the audience and the times are checked.

        PyJWT accepts no other algorithm than that of the key.
        """
        rules, options = self.settings, self._checks.options
        expected: dict[str, Any] = {"audience": rules.audience, "issuer": self.issuer, "leeway": rules.leeway_seconds}
        try:
            claims = jwt.decode(token, key, options=options, **expected)
        except PyJWTError as error:
            raise refused(REASONS.get(type(error), NO_TOKEN)) from None
        self._refuse_unless(self._checks.claims, claims)
        return claims

    def _refuse_unless(self, checks: Stage, given: object) -> None:
        for reason, check in checks.items():
            if not check(given, self.settings):
                raise refused(reason)


def header_of(token: str) -> Mapping[str, Any]:
    """Return the header of a token.

    PyJWT's own function is not used: it decodes all three parts of the token, which takes a quarter of the time of the
    whole check.

    Raises:
        HTTPException: 401, the header is no JSON object.
    """
    try:
        header = json.loads(base64url_decode(token.partition(".")[0]))
    except (RecursionError, ValueError):
        header = None
    if not isinstance(header, dict):
        raise refused(NO_TOKEN)
    return header


def refused(reason: str) -> Exception:
    """Return the 401 error for a refused access token, and log the reason without the token."""
    log.info("access token refused", reason=reason)
    return unauthorized(f"The access token is refused: {reason}.")


NO_TOKEN = "it is no token, or its signature is wrong"  # noqa: S105 - a sentence, no password
REASONS: Mapping[type[PyJWTError], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAudienceError: "it is for a different API",
    jwt.InvalidIssuerError: "it is of a different issuer",
    jwt.MissingRequiredClaimError: "it lacks a claim",
}
"""The reason that the client gets for each error of PyJWT, whose own messages repeat values of the token."""
