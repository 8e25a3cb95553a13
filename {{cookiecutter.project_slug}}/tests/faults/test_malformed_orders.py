"""Malformed requests to the order routes, as bytes: each refusal names the reason and does not repeat the values."""

import sys
from collections.abc import Iterator

import pytest

from tests.server.processes import Service, serving
from tests.smoke.raw_http import asked, head
from tests.smoke.test_malformed import NO_HTTP, check_refusal, get

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

APP: tuple[str, ...] = ()
# {% if cookiecutter.auth == "jwt" %}
APP = "--pythonpath=tests/smoke,tests/faults", "signed_in_app:app"
# {% endif %}

JSON = "Content-Type: application/json"
ORDERS = "/api/v1/orders"
ORDER = b'{"customer": %s, "lines": [{"sku": "TEA-1", "quantity": %s, "unit_price": %s}]%s}'
NOT_JSON = 422, "JSON decode error"
UNREADABLE = 400, "There was an error parsing the body"


def post(body: bytes, *lines: str | bytes) -> bytes:
    return head("POST", ORDERS, *(lines or (JSON,)), f"Content-Length: {len(body)}") + body


def order(customer: bytes = b'"Ada"', quantity: bytes = b"1", price: bytes = b'"1.00"', more: bytes = b"") -> bytes:
    return post(ORDER % (customer, quantity, price, more))


CASES = {
    "int64 in the path": (get(f"{ORDERS}/9223372036854775808"), 422, "less than or equal"),
    "a number of 5,000 digits in the path": (get(f"{ORDERS}/{'9' * 5000}"), 422, "parse"),
    "a negative number in the path": (get(f"{ORDERS}/-1"), 422, "greater than or equal"),
    "text in the path": (get(f"{ORDERS}/canary"), 422, "valid integer"),
    "a NUL in a number": (get(f"{ORDERS}/1%00canary"), 422, "valid integer"),
    "no UTF-8 in a number": (get(f"{ORDERS}/%ff"), 422, "valid integer"),
    "int32 in the query": (get(f"{ORDERS}?limit=2147483648"), 422, "less than or equal"),
    "int64 in the query": (get(f"{ORDERS}?after=9223372036854775808"), 422, "less than or equal"),
    "1e400 in the query": (get(f"{ORDERS}?after=1e400"), 422, "valid integer"),
    "a negative page": (get(f"{ORDERS}?limit=-1"), 422, "greater than or equal"),
    "a page of zero rows": (get(f"{ORDERS}?limit=0"), 422, "greater than or equal"),
    "a huge page": (get(f"{ORDERS}?limit=101"), 422, "less than or equal"),
    "a cursor that is no number": (get(f"{ORDERS}?after=canary"), 422, "valid integer"),
    "a NUL in the query": (get(f"{ORDERS}?after=%00"), 422, "valid integer"),
    "no UTF-8 in the query": (get(f"{ORDERS}?after=%ff"), 422, "valid integer"),
    "half a surrogate pair in the query": (get(f"{ORDERS}?after=%ed%a0%80"), 422, "valid integer"),
    "a bare byte in the query": (get(b"/api/v1/orders?after=\xff"), *NO_HTTP),
    "a NUL in a currency": (get("/api/v1/orders/1/total?currency=EU%00"), 422, "pattern"),
    "a line end in a currency": (get("/api/v1/orders/1/total?currency=EUR%0a"), 422, "pattern"),
    "an empty parameter": (get(f"{ORDERS}?limit="), 422, "valid integer"),
    "the wrong method on orders": (head("PUT", ORDERS), 405, "Method Not Allowed"),
    "a NUL in text": (order(customer=b'"canary\\u0000"'), 422, "pattern"),
    "a bare NUL in text": (order(customer=b'"canary\0"'), *NOT_JSON),
    "half a surrogate pair in text": (order(customer=b'"canary\\ud800"'), 422, "unicode"),
    "a very long text": (order(customer=b'"%s"' % (b"canary" * 10_000)), 422, "at most 200 characters"),
    "int32 in a body": (order(quantity=b"2147483648"), 422, "less than or equal"),
    "int64 in a body": (order(quantity=b"9223372036854775808"), 422, "less than or equal"),
    "5,000 digits in a body": (order(quantity=b"9" * 5000), *UNREADABLE),
    "NaN for a number": (order(quantity=b"NaN"), 422, "finite"),
    "Infinity for a number": (order(quantity=b"-Infinity"), 422, "finite"),
    "1e400 for a number": (order(quantity=b"1e400"), 422, "finite"),
    "NaN for a decimal": (order(price=b"NaN"), 422, "finite"),
    "Infinity for a decimal": (order(price=b"Infinity"), 422, "finite"),
    "NaN as a decimal's text": (order(price=b'"sNaN"'), 422, "finite"),
    "1e400 for a decimal": (order(price=b"1e400"), 422, "finite"),
    "1e400 as a decimal's text": (order(price=b'"1e400"'), 422, "digits"),
    "a decimal with a huge exponent": (order(price=b'"1e999999999"'), 422, "digits"),
    "a decimal with a tiny exponent": (order(price=b'"1e-999999999"'), 422, "digits"),
    "text for a number": (order(quantity=b'"yes"'), 422, "valid integer"),
    "60,000 brackets": (post(b"[" * 60_000), *UNREADABLE),
    "30,000 brackets in a field": (order(customer=b"[" * 30_000 + b"]" * 30_000), *UNREADABLE),
    "10,000 objects": (post(b'{"a":' * 10_000), *UNREADABLE),
    "more than JSON may have": (post(b"[" * 70_000), 413, "The body is larger than 65536 bytes."),
    "no UTF-8 in a body": (order(customer=b'"canary\xff"'), *UNREADABLE),
    "UTF-16": (post('{"customer": "canary"}'.encode("utf-16")), 422, "required"),
    "a byte order mark": (post(b"\xef\xbb\xbf{}"), 422, "required"),
    "JSON that ends early": (post(b'{"customer": "canary'), *NOT_JSON),
    "an empty body": (post(b""), 422, "required"),
    "a list": (post(b'["canary"]'), 422, "valid dictionary"),
    "a text": (post(b'"canary"'), 422, "valid dictionary"),
    "a null": (post(b"null"), 422, "valid dictionary"),
    "an unknown field": (order(more=b', "canary": 1'), 422, "not permitted"),
    "a key that is no text": (post(b'{1: "canary"}'), *NOT_JSON),
    "a key with a NUL": (order(more=b', "canary\\u0000": 1'), 422, "not permitted"),
    "a key with half a surrogate pair": (order(more=b', "canary\\ud800": 1'), 422, "unicode"),
    "a form": (post(b"customer=canary", "Content-Type: application/x-www-form-urlencoded"), 415, "application/json"),
    "a multipart form": (post(b"canary", "Content-Type: multipart/form-data; boundary=x"), 415, "application/json"),
    "plain text": (post(b"{}", "Content-Type: text/plain"), 415, "application/json"),
    "a type with a bare byte": (post(b"{}", b"Content-Type: \xff\xfe"), 415, "application/json"),
    "no type": (post(b"{}", "X-Type: none"), 415, "application/json"),
    "an unknown charset": (post(b"{}", "Content-Type: application/json; charset=canary"), 422, "required"),
}  # fmt: skip

HARMLESS = {
    "a parameter twice: the last one counts": (get(f"{ORDERS}?limit=canary&limit=1"), b'"orders":'),
    "a key twice: the last one counts": (order(more=b', "customer": "Bob"'), b'"customer":"Bob"'),
    "text in many alphabets": (order(customer='"\u00e9\u4e2d\U0001f375"'.encode()), "\U0001f375".encode()),
}


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """A running service with two workers, and log lines from the level warning on."""
    with serving(server_url, template, *APP, LOG_LEVEL="warning") as running:
        yield running


@pytest.mark.parametrize(("sent", "status", "reason"), CASES.values(), ids=CASES)
async def test_a_malformed_order_is_refused_with_the_reason_and_without_the_value(
    service: Service, sent: bytes, status: int, reason: str
) -> None:
    await check_refusal(service.url, sent, status, reason)


@pytest.mark.parametrize(("sent", "body"), HARMLESS.values(), ids=HARMLESS)
async def test_an_unusual_order_is_accepted(service: Service, sent: bytes, body: bytes) -> None:
    answer = await asked(service.url, [sent])

    assert answer.status < 300
    assert body in answer.body


def test_no_malformed_order_was_logged_as_an_error(service: Service) -> None:
    """Malformed requests have logged no error: a malformed request is the client's fault, not the service's."""
    assert service.errors() == []
