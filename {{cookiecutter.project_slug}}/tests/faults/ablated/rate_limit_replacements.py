"""Replacements that switch off a defence of access tokens or rate limits: without the defence, a test must fail."""

from importlib import import_module
from typing import Any


def counts_that_allow_all() -> object:
    """Let the in-process counter allow every request, so that no rate limit is left while the store is down."""
    gcra = import_module("app.rate_limits.gcra")

    class Counts(gcra.LocalCounts):  # type: ignore[misc,name-defined] # imported when the service starts
        def take(self, _key: str, _policy: Any, hits: int = 1) -> Any:  # noqa: ANN401 - the signature of the replaced method
            return gcra.Count(hits, 0)

    return Counts


def retry_once() -> object:
    """Let redis-py repeat a command whose reply was lost, as it does by default."""
    retry, module = import_module("redis.asyncio.retry").Retry, import_module("redis.backoff")
    return lambda _backoff, _retries: retry(module.NoBackoff(), 1)


def key_without_principal() -> object:
    return lambda request, _principal: str(request.url.path)


def needs_nothing() -> object:
    """Let a request without an access token reach a route that needs scopes."""
    depends, principal = import_module("fastapi").Depends, import_module("app.request.authenticated").Principal

    async def stranger() -> Any:  # noqa: ANN401 - imported when the service starts
        return principal("stranger", "client")

    return lambda *_scopes: depends(stranger)
