"""Trusted callers: the addresses and networks of FORWARDED_ALLOW_IPS, also when written as IPv6."""

import pytest
from starlette.types import Scope

from app.web.trust import TrustedCallers


@pytest.mark.parametrize(
    ("addresses", "client", "trusted"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("10.0.0.0/8, 192.0.2.1", "10.1.2.3", True),
        ("10.0.0.0/8, 192.0.2.1", "192.0.2.2", False),
        ("2001:db8::/32", "2001:db8::1", True),
        ("127.0.0.1", "unknown", False),
        ("127.0.0.1", "", False),
        ("", "127.0.0.1", False),
        ("*", "203.0.113.7", True),
    ],
)
def test_a_caller_is_trusted_by_its_address(addresses: str, client: str, trusted: bool) -> None:
    assert TrustedCallers(addresses).include({"type": "http", "client": (client, 1)}) is trusted


def test_a_stranger_loses_the_headers_of_its_trace() -> None:
    scope: Scope = {"type": "http", "client": ("203.0.113.7", 1), "headers": [(b"traceparent", b"00"), (b"host", b"x")]}

    assert TrustedCallers("127.0.0.1").drop_foreign_trace(scope) is False
    assert scope["headers"] == [(b"host", b"x")]


def test_a_client_without_an_address_is_a_stranger() -> None:
    assert TrustedCallers("127.0.0.1").include({"type": "http", "client": None}) is False
