"""Trusted callers: the only module that decides whether a request comes from a trusted address.

FORWARDED_ALLOW_IPS lists the trusted addresses. The address of a request is the client of the connection, or the client
that a trusted proxy names in X-Forwarded-For. So a client on the internet stays untrusted behind a trusted proxy.
"""

from functools import lru_cache
from ipaddress import ip_address, ip_network

from starlette.types import Scope

from app.settings.listening import trusted_networks

TRACE_HEADERS = frozenset({b"traceparent", b"tracestate", b"baggage"})

TRUSTED = "trusted_caller"
"""The key under which the ASGI scope of a request keeps whether the caller is trusted; set by `request_id.py`."""


class TrustedCallers:
    """The trusted callers: the addresses and networks of FORWARDED_ALLOW_IPS."""

    def __init__(self, addresses: str) -> None:
        """Read a comma-separated list of addresses and networks; `*` trusts every caller, as uvicorn does."""
        self._everybody = addresses.strip() == "*"
        self._networks = [ip_network(one) for one in trusted_networks(addresses).split(",") if one not in {"", "*"}]
        self._includes = lru_cache(maxsize=4096)(self._look_up)

    def include(self, scope: Scope) -> bool:
        """Tell whether the caller of a request is trusted; a client over a Unix socket, without an address, is not."""
        client = scope.get("client")
        return self._everybody or (client is not None and self._includes(client[0]))

    def drop_foreign_trace(self, scope: Scope) -> bool:
        """Remove the trace headers of an untrusted caller from a request, before FastAPI's telemetry reads the headers.

        FastAPI's telemetry calls this method as `exclude`. The method returns False, so that no request is excluded.
        """
        if not self.include(scope):
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in TRACE_HEADERS]
        return False

    def _look_up(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:  # X-Forwarded-For may hold any text, not only addresses
            return False
        return any(address in network for network in self._networks)


def is_trusted(scope: Scope) -> bool:
    """Tell whether the caller of a request is trusted; False if `request_id.py` has not checked the caller."""
    return scope.get(TRUSTED) is True
