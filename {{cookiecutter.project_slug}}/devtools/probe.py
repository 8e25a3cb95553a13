"""HTTP requests to a running service: waits until the service is ready, and prints URLs to try."""

import http.client
import json
import shlex
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from devtools.child_processes import ChildProcesses, RunError

READY_SECONDS = 90.0
"""The longest wait until the service is ready, in seconds. A start takes 2 s, or up to 30 s on a busy machine."""

PROBE_SECONDS = 2.0

OK = 200

EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - for comparison only: nothing here listens on all addresses
"""For each HOST that means all addresses, the loopback address at which a client on this machine reaches the service.
"""


def base_url(host: str, port: int) -> str:
    """Return the URL for clients on this machine of a service that listens on HOST and PORT."""
    name = EVERY_ADDRESS.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def probe(
    base: str, path: str, post: str | None = None, headers: Mapping[str, str] = {}, seconds: float = PROBE_SECONDS
) -> tuple[int, str]:
    """Return status and body of a GET or POST, sent without a proxy; without a response, status 0 and the reason."""
    connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=seconds)
    try:
        connection.request("POST" if post else "GET", path, post, dict(headers))
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()


def wait_until_ready(base: str, instance: str, children: ChildProcesses, seconds: float = READY_SECONDS) -> None:
    """Wait until `GET /health/ready` answers 200 with the id of this instance.

    The id tells this service from a different service on the same port.

    Raises:
        RunError: the service did not become ready in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status, body = probe(base, "/health/ready")
        if status == OK and json.dumps(instance) in body:
            return
        children.pause()
    raise RunError(f"The service is not ready after {seconds:.0f} s; {base}/health/ready answered: {status} {body}")


def hints(base: str, status_page: str) -> str:
    """Return URLs and commands that a developer can try on the running service."""
    status, body = probe(base, "/openapi.json")
    documentation = f"  open    {base}/docs\n" if status == OK else ""
    description = json.loads(body) if status == OK else {}
    signed = [part for header in sign_in(description).items() for part in ("-H", ": ".join(header))]
    call = shlex.join(["curl", "-s", *call_of(description, base), *signed])
    console = f"  console {base}/_console/\n" if probe(base, "/_console/")[0] == OK else ""
    health = f"  health  {base}/health/ready\n  status  {status_page}/\n"
    return f"\n{documentation}{console}{health}  try     {call}\n\nCtrl-C stops everything.\n"


def call_of(description: dict[str, Any], base: str) -> list[str]:
    """Return curl's arguments for an OpenAPI document's first POST with an example body, or for a readiness probe."""
    for path, example in posts(description):
        return [f"{base}{path}", "-H", "content-type: application/json", "-d", example]
    return [f"{base}/health/ready"]


def posts(description: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the path of each POST whose body has an example in the OpenAPI document, and the example as JSON.

    The example is in the `model_config` of the body's class: `{"json_schema_extra": {"examples": [...]}}`.
    """
    schemas = description.get("components", {}).get("schemas", {})
    for path, methods in description.get("paths", {}).items():
        body = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        schema = body.get("schema", {})
        schema = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
        if "{" not in path and (examples := schema.get("examples")):
            yield path, json.dumps(examples[0], separators=(",", ":"))


def sign_in(description: dict[str, Any]) -> dict[str, str]:
    """Return a header with an access token for all scopes, from the development issuer; no header without an issuer."""
    for scheme in description.get("components", {}).get("securitySchemes", {}).values():
        flow = scheme.get("flows", {}).get("authorizationCode", {})
        base, separator, path = flow.get("tokenUrl", "").partition("/issuer/")
        form = {"grant_type": "client_credentials", "client_id": "me", "scope": " ".join(flow.get("scopes", ()))}
        status, body = probe(base, separator + path, urlencode(form)) if separator else (0, "")
        if status == OK:
            return {"Authorization": f"Bearer {json.loads(body)['access_token']}"}
    return {}
