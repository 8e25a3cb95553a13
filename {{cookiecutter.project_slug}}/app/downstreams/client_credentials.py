"""Access tokens for calls of this service to a downstream: the client credentials of OAuth 2.0 (RFC 6749, 4.4).

All calls to a downstream share one token. A task fetches the next token before the current token expires, so that no
call waits for a token. The access token of an incoming request is never passed on to a downstream, which would then
take the caller of this service for its own caller.
"""

import asyncio
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import structlog

from app.downstreams.client import Answer, Call, Client
from app.downstreams.downstream import Downstream
from app.downstreams.responses import json_in
from app.errors import CannotStart, DownstreamBadResponse, DownstreamError
from app.request.detached import detached
from app.settings.tokens import TokenSettings

AHEAD = 0.8
"""The part of an access token's lifetime after which the next token is fetched; the rest is time for retries."""

RETRY_SECONDS = 1.0
"""The least time, in seconds, between two requests to the token issuer for an access token."""

UNSAID_SECONDS, MAX_SECONDS = 60, 86_400.0
"""UNSAID_SECONDS: the lifetime, in seconds, that an access token gets if the issuer sends no `expires_in`, which RFC
6749 only recommends. MAX_SECONDS: the longest time, in seconds, that a token is used."""

NUMBER, TOKEN = re.compile(r"[0-9]{1,18}(\.[0-9]+)?"), re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""NUMBER matches the lifetime of an access token in seconds, which some issuers send as a text. TOKEN matches an access
token in the form of RFC 6750: a token with other characters could break the Authorization header, and is refused."""

UNAUTHORIZED = 401
FORM = "application/x-www-form-urlencoded"

log = structlog.get_logger("auth")


class Token(NamedTuple):
    """An access token as an HTTP header, with the times of refresh and expiry in seconds of the monotonic clock."""

    headers: Mapping[str, str] = {}
    refresh_at: float = -inf
    ends_at: float = -inf


NO_TOKEN = Token()


class ClientCredentials:
    """Fetches and keeps the access token for one downstream; concurrent callers share one request to the issuer."""

    def __init__(
        self, issuer: Downstream, settings: TokenSettings, form: dict[str, str], clock: Callable[[], float] = monotonic
    ) -> None:
        """Start without an access token; the first call to the downstream fetches a token.

        Args:
            issuer: the downstream that issues the tokens.
            settings: the id and the secret of this service, and the path for token requests.
            form: further fields of the token request, such as `audience`, `resource` or `scope`.
            clock: returns monotonic seconds; tests pass a fake clock.
        """
        self.calls = 0
        self._issuer, self._call, self._clock = issuer, call_for(settings, form), clock
        self._token = NO_TOKEN
        self._failure: DownstreamError | None = None
        self._tried_at = -inf
        self._asking: asyncio.Task[None] | None = None

    async def headers(self) -> Mapping[str, str]:
        """Return the Authorization header of a call, with a valid access token.

        Raises:
            DownstreamError: there is no valid token, and the issuer does not give a new token.
        """
        now = self._clock()
        if now >= self._token.refresh_at and self._asking is None and now - self._tried_at >= RETRY_SECONDS:
            self._tried_at = now
            self._asking = asyncio.get_running_loop().create_task(self._ask(), context=detached())
        if now >= self._token.ends_at and self._asking is not None:
            await asyncio.shield(self._asking)
        if self._clock() >= self._token.ends_at:
            error = self._failure or DownstreamBadResponse(self._issuer.name, "it gave no token.")
            raise error.with_traceback(None)  # the stored error must not keep the stack frames of each call alive
        return self._token.headers

    def forget(self, headers: Mapping[str, str]) -> None:
        """Forget the token of these headers, which a downstream refused with 401; the next call gets a new token."""
        if self._token.headers == headers:
            self._token = NO_TOKEN

    async def _ask(self) -> None:
        """Request a token from the issuer; after a failure, keep the old token and store the error for the callers."""
        self.calls += 1
        try:
            answer = json_in(self._issuer.name, await self._issuer.call(self._call, retryable=True))
            self._token, self._failure = self._read(answer), None
        except DownstreamError as error:
            self._failure = error
            log.warning("request for an access token for a downstream failed", reason=error.detail)
        finally:
            self._asking = None

    def _read(self, answer: Any) -> Token:  # noqa: ANN401 - the parsed JSON of the issuer
        found: dict[str, Any] = answer if isinstance(answer, dict) else {}
        text, given = found.get("access_token"), str(found.get("expires_in", UNSAID_SECONDS))
        seconds = min(float(given), MAX_SECONDS) if NUMBER.fullmatch(given) else 0
        if not isinstance(text, str) or not TOKEN.fullmatch(text) or not seconds > 0:
            raise DownstreamBadResponse(self._issuer.name, "its answer has no access_token, or a wrong expires_in.")
        now = self._clock()
        return Token({"Authorization": f"Bearer {text}"}, now + seconds * AHEAD, now + seconds)


def call_for(settings: TokenSettings, form: dict[str, str]) -> Call:
    """Return the request for an access token, with the client id and the client secret of this service."""
    secret = settings.client_secret.get_secret_value() if settings.client_secret else ""
    pair = f"{quote(settings.client_id or '', safe='')}:{quote(secret, safe='')}"
    headers = {"Authorization": f"Basic {b64encode(pair.encode()).decode()}", "Content-Type": FORM}
    body = urlencode({"grant_type": "client_credentials", **form}).encode()
    return Call("POST", settings.token_path, {}, body, headers)


class AuthorizedClient(Client):
    """An HTTP client that sends an access token with each call, and repeats a call with a new token after a 401."""

    def __init__(self, inner: Client, credentials: ClientCredentials) -> None:
        self.name, self._inner, self._credentials = inner.name, inner, credentials

    async def send(self, call: Call) -> Answer:
        """Send a request with an access token, and after a 401 again with a new token; see `Client.send`."""
        headers = await self._credentials.headers()
        answer = await self._inner.send(replace(call, headers={**call.headers, **headers}))
        if answer.status != UNAUTHORIZED:
            return answer
        self._credentials.forget(headers)
        return await self._inner.send(replace(call, headers={**call.headers, **await self._credentials.headers()}))


def authorize(downstreams: Mapping[str, Downstream], settings: TokenSettings) -> None:
    """Give each downstream that AUTH__DOWNSTREAM_TOKENS names a client that sends an access token with each call.

    Raises:
        CannotStart: the settings have no credentials of this service; a migration, which makes no calls, needs none.
    """
    if settings.downstream_tokens and not (settings.client_id and settings.client_secret):
        raise CannotStart("AUTH__DOWNSTREAM_TOKENS needs AUTH__CLIENT_ID and AUTH__CLIENT_SECRET.")
    for name, form in settings.downstream_tokens.items():
        credentials = ClientCredentials(downstreams["issuer"], settings, form)
        downstreams[name].client = AuthorizedClient(downstreams[name].client, credentials)
