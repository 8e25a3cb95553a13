"""The check of access tokens: by PyJWT, with further checks before and after the check of the signature.

    size and letters -> header -> key of the issuer -> signature, issuer, audience, times -> claims -> principal

The order matters: no token is parsed that is too large, no key is looked up for a refused header, and no claim is used
before the signature is checked.
"""

import json
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from time import time
from typing import Any

import jwt
import structlog
from jwt import PyJWK, PyJWTError

from app.auth.checks import Checks, scopes_in
from app.auth.keys import Fetch, Keys
from app.request.authenticated import Principal, unauthorized
from app.settings.browsers import words
from app.settings.tokens import TokenSettings

KEPT = 2048
"""The most checked tokens that are cached in memory; the least recently used token is dropped first."""

KEPT_SECONDS = 60.0
"""How long, in seconds, a checked token is accepted without a new check; never beyond the token's own expiry."""

log = structlog.get_logger("auth")


@dataclass(frozen=True, slots=True)
class Checked:
    """The cached result of a check: the token's principal, the key of its signature, and the end of the cache time."""

    principal: Principal
    key: PyJWK
    until: float


class Tokens:
    """Checks access tokens of one issuer, and caches the results of valid tokens."""

    def __init__(
        self,
        settings: TokenSettings,
        issuer: str,
        keys: Keys,
        *,
        checks: Checks | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        """Build the check.

        Args:
            settings: the algorithms, types, claims and lifetime of accepted tokens.
            issuer: the name of the issuer in the claim `iss`.
            keys: the keys of the issuer.
            checks: the checks; by default all.
            clock: returns the seconds since 1970, as times in tokens are; tests pass a fake clock.
        """
        self.settings, self.issuer, self.keys = settings, issuer, keys
        self._checks = checks or Checks()
        self._clock = clock
        self._kept: OrderedDict[bytes, Checked] = OrderedDict()

    async def principal(self, token: str, fetch: Fetch) -> Principal:
        """Return the principal of a token.

        Raises:
            HTTPException: 401, the token is not accepted.
            Unavailable: the keys of the issuer are not available.
        """
        _refuse(self._checks.before, lambda check: check(token))
        digest = sha256(token.encode()).digest()
        kept = self._kept.get(digest)
        if kept is not None and kept.until > self._clock() and self.keys.accepts(kept.key):
            self._kept.move_to_end(digest)
            return kept.principal
        self._kept.pop(digest, None)
        header = header_of(token)
        _refuse(self._checks.header, lambda check: check(header, self.settings))
        key = await self.keys.get((header["kid"], header["alg"]), fetch)
        if key is None:
            raise refused("its key is not one of the issuer")
        claims = self._confirmed(token, key)
        principal = self._principal(claims)
        until = min(principal.expires_at, self._clock() + KEPT_SECONDS)
        self._kept[digest] = Checked(principal, key, until)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return principal

    def _confirmed(self, token: str, key: PyJWK) -> dict[str, Any]:
        """Return the claims of a token, after the signature, the issuer, the audience and the times are checked."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=sorted(words(self.settings.algorithms)),
                options=self._checks.options,
                audience=self.settings.audience,
                issuer=self.issuer,
                leeway=self.settings.leeway_seconds,
            )
        except PyJWTError as error:
            raise refused(REASONS.get(type(error), "it is no token, or its signature is wrong")) from None
        _refuse(self._checks.claims, lambda check: check(claims, self.settings))
        return claims

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        subject = claims["sub"]
        scopes = scopes_in(claims, self.settings.scope_claim) or frozenset()
        return Principal(subject, claims.get(self.settings.client_claim, subject), scopes, claims["exp"])


def header_of(token: str) -> Mapping[str, Any]:
    """Return the header of a token.

    PyJWT's own function would decode all three parts of the token, in a quarter of the time of the whole check.

    Raises:
        HTTPException: 401, the header is no JSON object.
    """
    part = token.partition(".")[0]
    try:
        header = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (RecursionError, ValueError):
        header = None
    if not isinstance(header, dict):
        raise refused("it is no token, or its signature is wrong")
    return header


def refused(reason: str) -> Exception:
    """Return the refusal of a token, and write the reason, without the token, to the log."""
    log.info("access token refused", reason=reason)
    return unauthorized(f"The access token is refused: {reason}.")


def _refuse(checks: Mapping[str, Any], run: Callable[[Any], bool]) -> None:
    for reason, check in checks.items():
        if not run(check):
            raise refused(reason)


REASONS: Mapping[type[PyJWTError], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAudienceError: "it is for a different API",
    jwt.InvalidIssuerError: "it is of a different issuer",
    jwt.MissingRequiredClaimError: "it lacks a claim",
}
"""The reason that the client gets for each error of PyJWT, whose own messages repeat values of the token."""
