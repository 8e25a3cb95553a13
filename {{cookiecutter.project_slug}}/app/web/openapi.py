"""The OpenAPI document of the service, with problem responses and common headers, and the page /docs for people."""

import inspect
import json
import re
import tomllib
from base64 import b64encode
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles

from app.web.direct_route import DirectRoute
from app.web.problem import ERRORS, MEDIA_TYPE, Problem, problem_response

PROJECT = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text("utf-8"))["project"]
"""The version and the description of the service, from pyproject.toml. The image contains that file, because alembic
reads it too."""

HEADERS = {"X-Request-ID": {"description": "The id in each log line of the request.", "schema": {"type": "string"}}}
REPLAYED = {"Idempotency-Replayed": {"description": "`true` on a stored response.", "schema": {"type": "string"}}}
LOCATION = {"headers": {"Location": {"description": "The path of the new object.", "schema": {"type": "string"}}}}
RETRY_AFTER = {"Retry-After": {"description": "Seconds until the next attempt.", "schema": {"type": "integer"}}}


def documented_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` argument of a route that may answer with these error statuses."""
    return {str(status): _documented(status) for status in statuses}


def _documented(status: int) -> dict[str, Any]:
    detail = ERRORS.get(status, ("", ""))[1]  # FastAPI would replace an empty description by a default
    schema, example = {"$ref": "#/components/schemas/Problem"}, json.loads(bytes(problem_response(status, detail).body))
    return {"description": detail, "content": {MEDIA_TYPE: {"schema": schema, "example": example}}}


REFUSALS = documented_errors(400, 408, 413, 415)
"""The error responses of middleware in the OpenAPI document: a malformed, slow, too large or compressed body, and an
Idempotency-Key that the route does not read."""


PAGE = Path(__file__).with_name("docs.html").read_text("utf-8")
SCRIPT = b64encode(sha256("".join(re.findall(r"<script>(.*?)</script>", PAGE, re.DOTALL)).encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; script-src 'self' 'sha256-{SCRIPT}'; style-src 'self'; img-src 'self' data:; "
    "connect-src *; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of /docs, which allows the scripts of this page and of Swagger UI, and requests to the
service and to an issuer of access tokens. There is no Cross-Origin-Opener-Policy, as it would cut the page off from the
issuer's login window."""


OF_A_ROUTE = frozenset(inspect.signature(APIRouter.add_api_route).parameters)
"""The parameters of `add_api_route`; a route of FastAPI has an attribute of the same name for each parameter."""


class Documented(FastAPI):
    """A FastAPI application that also documents the responses of middleware, and whose page /docs works offline."""

    def include_router(self, router: APIRouter, **options: Any) -> None:  # noqa: ANN401 - the options of FastAPI's own method
        """Add the routes of a router one by one, as FastAPI would search an included router twice for each request.

        The second search would make a GET request a twelfth slower. A router with WebSockets, streams or further
        routers is included as a whole, and so is a router with options.
        """
        super().include_router(router, **options)
        if options or any(type(route) is not APIRoute or route.stream_item_type for route in router.routes):
            return
        self.router.routes.pop()
        for route in router.routes:
            options = {name: given for name, given in vars(route).items() if name in OF_A_ROUTE}
            self.router.add_api_route(**options, route_class_override=DirectRoute)

    def setup(self) -> None:
        """Add the routes of the OpenAPI document and of the page /docs, unless `openapi_url` is None.

        FastAPI's own page /docs loads its script from a CDN. Here the script comes from a Python package, which is
        installed for development only, as production has no /docs; if the package is missing, the page names it. All
        addresses on the page are relative, so that the page works behind any path prefix of a proxy.
        """
        self.docs_url = self.redoc_url = None
        super().setup()
        if self.openapi_url and find_spec("fastapi_offline"):
            self.mount("/docs/files", StaticFiles(packages=[("fastapi_offline", "static")]))
        if self.openapi_url:
            page = HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})
            self.add_route("/docs", lambda _request: page)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, with the problem responses and the common headers added to each operation."""
        document = super().openapi()
        document["info"] |= {"version": PROJECT["version"], "description": PROJECT["description"]}
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        document.setdefault("components", {}).setdefault("schemas", {}).update(problem.pop("$defs"), Problem=problem)
        # {% if cookiecutter.auth == "jwt" %}
        operations = [operation for methods in document["paths"].values() for operation in methods.values()]
        for operation in operations:
            operation["responses"] |= documented_errors(401, 403) if "security" in operation else {}
        needs = [need for operation in operations for need in operation.get("security", ())]
        scheme = document["components"].get("securitySchemes", {}).get("access_token")
        if scheme is not None:  # the security scheme has the scopes of all applications: keep this application's
            named = {scope for need in needs for scope in need.get("access_token", ())}
            scheme["flows"]["authorizationCode"]["scopes"] = dict.fromkeys(sorted(named), "")
        # {% endif %}
        for methods in document["paths"].values():
            for method, operation in methods.items():
                _complete(method, operation)
        return document


def _complete(method: str, operation: dict[str, Any]) -> None:
    """Add the responses of middleware to an operation, and the common headers to all responses."""
    responses = operation["responses"] if method == "get" else REFUSALS | operation["responses"]
    operation["responses"] = dict(sorted(responses.items()))
    keyed = any(parameter["name"] == "idempotency-key" for parameter in operation.get("parameters", ()))
    for status, reply in operation["responses"].items():
        added = RETRY_AFTER if status == "503" else REPLAYED if keyed and status < "300" else {}
        reply["headers"] = HEADERS | added | reply.get("headers", {})
