"""Rate limits as dependencies: `APIRouter(dependencies=[limited(Policy("search", quota=600, seconds=60))])`.

A policy counts the requests of all routes below the router, however deep. A refused request is a 429 with Retry-After
and the RateLimit fields (draft-ietf-httpapi-ratelimit-headers).
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
"""The limiter of each application of this process, made for its first request to a limited route."""

PREFIX = 64
"""The bits of an IPv6 address by which clients are counted: a household or a server owns all addresses of a /64."""

refusals = Counter("app_rate_limit_refusals", "Requests beyond a rate limit", ("policy",))


def limited(policy: Policy) -> Any:  # noqa: ANN401 - FastAPI types markers such as `Depends` as Any
    """Return the dependency that counts the requests of each principal; a request without a principal is a 401."""

    async def count_principal(connection: HTTPConnection, principal: PrincipalDep) -> None:
        await take(connection, policy, f"principal {principal.key}")

    return Depends(count_principal)


def limited_by_address(policy: Policy) -> Any:  # noqa: ANN401 - FastAPI types markers such as `Depends` as Any
    """Return the dependency that counts the requests of each address, for routes without a principal."""

    async def count_address(connection: HTTPConnection) -> None:
        await take(connection, policy, f"address {address_of(connection)}")

    return Depends(count_address)


def address_of(connection: HTTPConnection) -> str:
    """Return the address of the client, of IPv6 the network; a client without an address is `unknown`.

    It is the address of the connection, or the one that a proxy of FORWARDED_ALLOW_IPS names. A proxy may pass on any
    text: all texts that are no address count as one client.
    """
    try:
        address = ip_address(connection.client.host if connection.client else "")
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return f"{IPv6Address(int(address) >> PREFIX << PREFIX)}/{PREFIX}"
    return str(getattr(address, "ipv4_mapped", address))


async def take(connection: HTTPConnection, policy: Policy, client: str) -> None:
    """Count a request of a client.

    Raises:
        HTTPException: 429, the client is beyond the limit of the policy.
    """
    limiter = LIMITERS.get(connection.app) or build_limiter(connection)
    # The store keeps a digest, which has a fixed size, and neither the address nor the name of a person.
    client = sha256(client.encode(errors="backslashreplace")).hexdigest()[:32]
    counted = await limiter.take(f"{policy.name}:{client}", policy)
    if not counted.allowed:
        refusals.labels(policy.name).inc()
        raise refusal(policy, counted)


def build_limiter(connection: HTTPConnection, timeout_seconds: float | None = None) -> Limiter:
    """Create the limiter of an application: on Valkey if REDIS_URL is set, else on PostgreSQL."""
    resources, name = resources_of(connection), connection.app.title
    engine = transactional(resources.engine)
    store = PostgresStore(engine) if resources.valkey is None else ValkeyStore(resources.valkey, name)
    return LIMITERS.setdefault(connection.app, Limiter(store, timeout_seconds=timeout_seconds))


def refusal(policy: Policy, counted: Count) -> HTTPException:
    """Return the 429 of a client, with the seconds after which one more request is allowed."""
    seconds = ceil(counted.wait(policy))
    left = (policy.interval * policy.quota - counted.ahead) // policy.interval
    headers = {
        "Retry-After": str(seconds),
        "RateLimit-Policy": f'"{policy.name}";q={policy.quota};w={ceil(policy.interval * policy.quota / SECOND)}',
        "RateLimit": f'"{policy.name}";r={left};t={seconds}',
    }
    return HTTPException(429, f"More than {policy.quota} requests in {policy.seconds:g} s. Try again later.", headers)
