"""Requests that make no sense, as bytes to real gunicorn: each gets an answer that says why, and none is our fault."""

import sys
from collections.abc import Iterator

import pytest

from tests.databases import cloned
from tests.faults.raw import asked, head
from tests.server.processes import Service, gunicorn

pytestmark = [
    pytest.mark.smoke,
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows"),
]

JSON = "Content-Type: application/json"
NO_HTTP = 400, "This is not a valid HTTP/1.1 request."
LIVE = "/health/live"


def get(target: str | bytes, *lines: str | bytes) -> bytes:
    return head("GET", target, *lines)


CASES = {
    "a NUL in the path": (get("/canary%00"), 404, "Not Found"),
    "a byte that is no UTF-8 in the path": (get("/canary%ff"), 404, "Not Found"),
    "half a pair in the path": (get("/canary%ed%a0%80"), 404, "Not Found"),
    "an escape that is none": (get("/canary%zz%"), 404, "Not Found"),
    "a way out of the path": (get("/canary/../../etc/passwd"), 404, "Not Found"),
    "a bare byte in the path": (get(b"/canary\xff"), *NO_HTTP),
    "a bare NUL in the path": (get(b"/canary\0"), *NO_HTTP),
    "a bare NUL in a header": (get(LIVE, b"X-Odd: canary\0"), *NO_HTTP),
    "a header without a name": (get(LIVE, ": canary"), *NO_HTTP),
    "a header that goes on": (get(LIVE, "X-Odd: 1", " canary"), *NO_HTTP),
    "no host": (b"GET /canary HTTP/1.1\r\n\r\n", 404, "Not Found"),
    "a star": (head("OPTIONS", "*"), 404, "Not Found"),
    "a tunnel": (head("CONNECT", "canary:443"), *NO_HTTP),
    "the wrong method": (head("DELETE", LIVE), 405, "Method Not Allowed"),
    "a method that nobody knows": (head("CANARY", LIVE), *NO_HTTP),
    "HTTP of another time": (b"GET / HTTP/9.9\r\n\r\n", *NO_HTTP),
    "no HTTP at all": (b"canary canary canary\r\n\r\n", *NO_HTTP),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", *NO_HTTP),
    "a negative length": (head("POST", "/canary", "Content-Length: -1"), *NO_HTTP),
    "a length beyond all numbers": (head("POST", "/canary", f"Content-Length: {'9' * 400}"), *NO_HTTP),
    "two lengths": (head("POST", "/canary", "Content-Length: 1", "Content-Length: 2") + b"xx", *NO_HTTP),
    "a length and pieces": (head("POST", "/canary", "Content-Length: 1", "Transfer-Encoding: chunked"), *NO_HTTP),
    "pieces of no size": (head("POST", "/canary", "Transfer-Encoding: chunked") + b"canary\r\n", *NO_HTTP),
    "an unknown transfer": (head("POST", "/canary", "Transfer-Encoding: canary"), *NO_HTTP),
}  # fmt: skip

HARMLESS = {
    "bare bytes in a request id": (get(LIVE, b"X-Request-ID: \xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8"), b"ok"),
    "bare bytes in a trace": (get(LIVE, b"Traceparent: \xff", b"Tracestate: \xfe=\xfd"), b"ok"),
    "a deadline that is none": (get(LIVE, "X-Request-Timeout-Ms: -1", "Grpc-Timeout: NaN"), b"ok"),
    "an address with a host": (get("http://elsewhere.example/health/live"), b"ok"),
    "a parameter that nobody takes": (get(f"{LIVE}?a=%00&a=%ff&%00"), b"ok"),
    "a body where none is read": (get(LIVE, "Content-Length: 2") + b"\0\xff", b"ok"),
}  # fmt: skip
# {% if cookiecutter.example == "yes" %}

ORDERS = "/api/v1/orders"
ORDER = b'{"customer": %s, "lines": [{"sku": "TEA-1", "quantity": %s, "unit_price": %s}]%s}'
NOT_JSON = 422, "JSON decode error"
UNREADABLE = 400, "There was an error parsing the body"


def post(body: bytes, *lines: str | bytes) -> bytes:
    return head("POST", ORDERS, *(lines or (JSON,)), f"Content-Length: {len(body)}") + body


def order(customer: bytes = b'"Ada"', quantity: bytes = b"1", price: bytes = b'"1.00"', more: bytes = b"") -> bytes:
    return post(ORDER % (customer, quantity, price, more))


OF_ORDERS = {
    "int64 in the path": (get(f"{ORDERS}/9223372036854775808"), 422, "less than or equal"),
    "a number of 5,000 digits in the path": (get(f"{ORDERS}/{'9' * 5000}"), 422, "parse"),
    "a negative number in the path": (get(f"{ORDERS}/-1"), 422, "greater than or equal"),
    "text in the path": (get(f"{ORDERS}/canary"), 422, "valid integer"),
    "a NUL where a number is": (get(f"{ORDERS}/1%00canary"), 422, "valid integer"),
    "no UTF-8 where a number is": (get(f"{ORDERS}/%ff"), 422, "valid integer"),
    "int32 in the query": (get(f"{ORDERS}?limit=2147483648"), 422, "less than or equal"),
    "int64 in the query": (get(f"{ORDERS}?after=9223372036854775808"), 422, "less than or equal"),
    "1e400 in the query": (get(f"{ORDERS}?after=1e400"), 422, "valid integer"),
    "a negative page": (get(f"{ORDERS}?limit=-1"), 422, "greater than or equal"),
    "a page of none": (get(f"{ORDERS}?limit=0"), 422, "greater than or equal"),
    "a huge page": (get(f"{ORDERS}?limit=101"), 422, "less than or equal"),
    "a cursor that is none": (get(f"{ORDERS}?after=canary"), 422, "valid integer"),
    "a NUL in the query": (get(f"{ORDERS}?after=%00"), 422, "valid integer"),
    "no UTF-8 in the query": (get(f"{ORDERS}?after=%ff"), 422, "valid integer"),
    "half a pair in the query": (get(f"{ORDERS}?after=%ed%a0%80"), 422, "valid integer"),
    "a bare byte in the query": (get(b"/api/v1/orders?after=\xff"), *NO_HTTP),
    "a NUL in a currency": (get("/api/v1/order-value?currency=EU%00"), 422, "pattern"),
    "a line end in a currency": (get("/api/v1/order-value?currency=EUR%0a"), 422, "pattern"),
    "an empty parameter": (get(f"{ORDERS}?limit="), 422, "valid integer"),
    "the wrong method on orders": (head("PUT", ORDERS), 405, "Method Not Allowed"),
    "a NUL in text": (order(customer=b'"canary\\u0000"'), 422, "pattern"),
    "a bare NUL in text": (order(customer=b'"canary\0"'), *NOT_JSON),
    "half a pair in text": (order(customer=b'"canary\\ud800"'), 422, "unicode"),
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
    "true for a number": (order(quantity=b'"yes"'), 422, "valid integer"),
    "100,000 brackets": (post(b"[" * 100_000), *UNREADABLE),
    "100,000 brackets in a field": (order(customer=b"[" * 100_000 + b"]" * 100_000), *UNREADABLE),
    "100,000 objects": (post(b'{"a":' * 100_000), *UNREADABLE),
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
    "a key with half a pair": (order(more=b', "canary\\ud800": 1'), 422, "unicode"),
    "a form": (post(b"customer=canary", "Content-Type: application/x-www-form-urlencoded"), 415, "application/json"),
    "a multipart form": (post(b"canary", "Content-Type: multipart/form-data; boundary=x"), 415, "application/json"),
    "plain text": (post(b"{}", "Content-Type: text/plain"), 415, "application/json"),
    "a type with a bare byte": (post(b"{}", b"Content-Type: \xff\xfe"), 415, "application/json"),
    "no type": (post(b"{}", "X-Type: none"), 415, "application/json"),
    "an unknown charset": (post(b"{}", "Content-Type: application/json; charset=canary"), 422, "required"),
}  # fmt: skip

CASES |= OF_ORDERS
HARMLESS |= {
    "a parameter twice: the last one counts": (get(f"{ORDERS}?limit=canary&limit=1"), b'"orders":'),
    "a key twice: the last one counts": (order(more=b', "customer": "Bob"'), b'"customer":"Bob"'),
    "text in many alphabets": (order(customer='"\u00e9\u4e2d\U0001f375"'.encode()), "\U0001f375".encode()),
}
# {% endif %}


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """Two workers."""
    with cloned(server_url, template) as url, gunicorn(url, LOG_LEVEL="warning") as running:
        running.wait_until_serving()
        yield running


@pytest.mark.parametrize(("sent", "status", "reason"), CASES.values(), ids=CASES)
async def test_it_is_refused_with_the_reason_and_without_the_value(
    service: Service, sent: bytes, status: int, reason: str
) -> None:
    answer = await asked(service.url, [sent])

    said = " ".join([answer.problem["detail"], *(error["reason"] for error in answer.problem.get("errors", []))])
    assert answer.status == status
    assert reason in said
    assert b"canary" not in answer.body


@pytest.mark.parametrize(("sent", "body"), HARMLESS.values(), ids=HARMLESS)
async def test_what_is_only_odd_is_taken(service: Service, sent: bytes, body: bytes) -> None:
    answer = await asked(service.url, [sent])

    assert answer.status < 300
    assert body in answer.body


def test_none_of_it_was_a_bug(service: Service) -> None:
    """It is the last of the file: nothing above left a line of an unexpected error."""
    assert [line["event"] for line in service.lines() if line["level"] == "error"] == []
