"""The security headers of every response, including the responses that `app/server/` sends without the application.

A route may set a different value for each header. HSTS (`Strict-Transport-Security`) is not among these headers: the
proxy with the TLS certificate sends it.
"""

from collections.abc import Collection

Headers = Collection[tuple[bytes, bytes]]

DEFAULT_HEADERS = (
    (b"cache-control", b"no-store"),  # without this header, a cache may store a response by rules of its own
    # A JSON response needs no scripts or styles, and must not be shown in the frame of a page.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),  # pages of other origins get a response by CORS only
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


DEFAULT_NAMES = frozenset(name for name, _ in DEFAULT_HEADERS)


def with_defaults(headers: Headers) -> Headers:
    """Return the headers of a response together with each security header that the response lacks."""
    own = dict(headers)
    if DEFAULT_NAMES.isdisjoint(own):
        return [*headers, *DEFAULT_HEADERS]
    return [*headers, *[pair for pair in DEFAULT_HEADERS if pair[0] not in own]]
