"""Rate limits as dependencies: `APIRouter(dependencies=[limited(Policy("search", quota=600, seconds=60))])`.

A policy counts the requests of a client to all routes of the router and of the routers that it includes. A refused
request gets a 429 response with Retry-After and the RateLimit fields (draft-ietf-httpapi-ratelimit-headers).
"""

from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Any
from weakref import WeakKeyDictionary

from fastapi import Depends, FastAPI, HTTPException
from fastapi.requests import HTTPConnection
from prometheus_client import Counter

from app.database.engine import transactional
from app.dependencies import resources_of
from app.rate_limits.gcra import SECOND, Count, Policy
from app.rate_limits.limiter import Limiter
from app.rate_limits.postgres import PostgresStore
from app.rate_limits.valkey import ValkeyStore
from app.request.authenticated import PrincipalDep

LIMITERS: WeakKeyDictionary[FastAPI, Limiter] = WeakKeyDictionary()
"""The rate limiter of each FastAPI application in this process, made at the first request to a limited route."""

PREFIX = 64
"""The leading bits of an IPv6 address that count as one client: a household or a server owns all addresses of a /64."""

refusals = Counter("app_rate_limit_refusals", "Requests beyond a rate limit", ("policy",))


def limited(policy: Policy) -> Any:  # noqa: ANN401 - FastAPI types markers such as `Depends` as Any
    """Return the dependency that limits the requests of each principal; a request without authentication gets 401."""

    async def count_principal(connection: HTTPConnection, principal: PrincipalDep) -> None:
        await take(connection, policy, f"principal {principal.key}")

    return Depends(count_principal)


def limited_by_address(policy: Policy) -> Any:  # noqa: ANN401 - FastAPI types markers such as `Depends` as Any
    """Return the dependency that limits the requests of each client address, for routes without authentication."""

    async def count_address(connection: HTTPConnection) -> None:
        await take(connection, policy, f"address {address_of(connection)}")

    return Depends(count_address)


def address_of(connection: HTTPConnection) -> str:
    """Return the IPv4 address or the IPv6 network by which a client is counted; `unknown` without an address.

    The address is that of the connection, or the address that a proxy in FORWARDED_ALLOW_IPS reports. A proxy may
    report any text: all texts that are no address count as one client.
    """
    try:
        address = ip_address(connection.client.host if connection.client else "")
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return f"{IPv6Address(int(address) >> PREFIX << PREFIX)}/{PREFIX}"
    return str(getattr(address, "ipv4_mapped", address))


async def take(connection: HTTPConnection, policy: Policy, client: str) -> None:
    """Count a request of a client, and refuse the request beyond the rate limit.

    Raises:
        HTTPException: 429, the client is beyond the limit of the policy.
    """
    limiter = LIMITERS.get(connection.app) or build_limiter(connection)
    # The store of the counts gets a digest of the client: the digest has a fixed size, and no name and no address.
    client = sha256(client.encode(errors="backslashreplace")).hexdigest()[:32]
    counted = await limiter.take(f"{policy.name}:{client}", policy)
    if not counted.allowed:
        refusals.labels(policy.name).inc()
        raise refusal(policy, counted)


def build_limiter(connection: HTTPConnection, timeout_seconds: float | None = None) -> Limiter:
    """Create the rate limiter of an application: the counts are in Valkey if REDIS_URL is set, else in PostgreSQL."""
    resources, name = resources_of(connection), connection.app.title
    engine = transactional(resources.engine)
    store = PostgresStore(engine) if resources.valkey is None else ValkeyStore(resources.valkey, name)
    return LIMITERS.setdefault(connection.app, Limiter(store, timeout_seconds=timeout_seconds))


def refusal(policy: Policy, counted: Count) -> HTTPException:
    """Return the 429 response for a client beyond a rate limit, with the seconds until a request is allowed again."""
    seconds = ceil(counted.wait(policy))
    left = (policy.interval * policy.quota - counted.ahead) // policy.interval
    headers = {
        "Retry-After": str(seconds),
        "RateLimit-Policy": f'"{policy.name}";q={policy.quota};w={ceil(policy.interval * policy.quota / SECOND)}',
        "RateLimit": f'"{policy.name}";r={left};t={seconds}',
    }
    return HTTPException(429, f"More than {policy.quota} requests in {policy.seconds:g} s. Try again later.", headers)
