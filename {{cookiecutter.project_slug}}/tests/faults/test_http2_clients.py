"""Clients that ask to upgrade each request to HTTP/2: the service reads the body and answers in HTTP/1.1."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.processes import Service, serving

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

TIMEOUT_SECONDS = 120

JAVA = """
import java.net.URI;
import java.net.http.*;

public class Ask {
    public static void main(String[] urls) throws Exception {
        var client = HttpClient.newHttpClient();
        for (var body : new String[] {"one", "two", ""}) {
            var request = HttpRequest.newBuilder(URI.create(urls[0])).POST(HttpRequest.BodyPublishers.ofString(body));
            var response = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
            System.out.println(response.statusCode() + " " + response.body());
        }
    }
}
"""
"""A client with Java's own HttpClient at its default settings: each request asks for an upgrade to HTTP/2."""


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service of `connection_app.py` with two workers."""
    with serving(server_url, template, "--pythonpath=tests/faults", "connection_app:app") as running:
        yield running


def bodies(output: str) -> list[tuple[int, str]]:
    """Return status and request body from each line of a client's output; the service returns the body as JSON."""
    lines = [line.split(" ", 1) for line in output.splitlines()]
    return [(int(status), json.loads(response)["body"]) for status, response in lines]


@pytest.mark.needs_program("curl", "apt-get install curl")
@pytest.mark.parametrize("options", [[], ["--header", "Transfer-Encoding: chunked"]], ids=["length", "chunked"])
def test_curl_posts_a_body_although_it_asks_for_http_2(service: Service, options: list[str]) -> None:
    ask = ["--http2", "--silent", "--data", "one", "--write-out", "\n%{http_version} ", *options]
    command = ["curl", *ask, f"{service.url}/echo", "--next", *ask, f"{service.url}/echo"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_SECONDS)

    first, second, _ = done.stdout.split("1.1 ")
    assert [json.loads(response)["body"] for response in (first, second)] == ["one", "one"]


@pytest.mark.needs_program("javac", "apt-get install default-jdk-headless")
def test_javas_client_posts_bodies_with_its_default_settings(service: Service, tmp_path: Path) -> None:
    program = tmp_path / "Ask.java"
    program.write_text(JAVA, encoding="ascii")
    command = ["java", str(program), f"{service.url}/echo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS)

    assert done.stderr == ""
    assert bodies(done.stdout) == [(200, "one"), (200, "two"), (200, "")]
