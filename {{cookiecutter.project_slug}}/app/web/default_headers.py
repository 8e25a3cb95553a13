"""The security headers of every response, also of a refusal of the connection stage; a route may set its own values.

HSTS is up to the proxy that has the certificate.
"""

from collections.abc import Collection

Headers = Collection[tuple[bytes, bytes]]

DEFAULT_HEADERS = (
    (b"cache-control", b"no-store"),  # without the header, a cache may keep a response by its own rules
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),  # a response is no page, nor in one
    (b"cross-origin-resource-policy", b"same-origin"),  # pages of different sites get a response by CORS only
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


DEFAULT_NAMES = frozenset(name for name, _ in DEFAULT_HEADERS)


def with_defaults(headers: Headers) -> Headers:
    """Return the headers of a response, and each default header that is missing."""
    own = dict(headers)
    if DEFAULT_NAMES.isdisjoint(own):
        return [*headers, *DEFAULT_HEADERS]
    return [*headers, *[pair for pair in DEFAULT_HEADERS if pair[0] not in own]]
