"""The stub of the downstream `rates` answers exchange rates over HTTP."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest

from devtools.tests.server_users import PROJECT


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """The URL of the `rates` stub, served by a separate process."""
    with subprocess.Popen(
        [sys.executable, "-m", "devtools.stubs", "--port", "0"], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout

        yield process.stdout.readline().split()[-1] + "/rates"
        process.send_signal(signal.SIGTERM)


def get(url: str) -> tuple[int, dict[str, str]]:
    """Send a GET without a proxy, and return the status and the JSON of the response."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=5) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_rate_is_a_string(base_url: str) -> None:
    assert get(f"{base_url}/USD/EUR") == (200, {"base": "USD", "quote": "EUR", "rate": "0.92"})


@pytest.mark.parametrize(("pair", "rate"), [("EUR/USD", "1.086957"), ("JPY/USD", "0.006614"), ("GBP/GBP", "1")])
def test_other_rates_follow_from_the_table(base_url: str, pair: str, rate: str) -> None:
    assert get(f"{base_url}/{pair}")[1]["rate"] == rate


def test_an_unknown_currency_is_not_found(base_url: str) -> None:
    assert get(f"{base_url}/USD/XXX") == (404, {"detail": "unknown currency: XXX"})
