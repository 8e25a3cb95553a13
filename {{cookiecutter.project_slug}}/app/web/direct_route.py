"""Direct routes: routes that call the endpoint and the dependencies themselves, which is faster than FastAPI's way.

FastAPI's way takes a third of the time of a GET request. For each request FastAPI classifies all parameters anew, opens
three exit stacks, parses query, headers and cookies that no parameter needs, and wraps the endpoint in the exception
handlers a second time. A direct route makes a list of calls once, and uses FastAPI's functions for the parameters and
the response.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from inspect import iscoroutinefunction, isfunction
from typing import Any, Self

from fastapi import Response
from fastapi._compat import ModelField
from fastapi.datastructures import DefaultPlaceholder, QueryParams
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_validation_alias, request_params_to_args
from fastapi.exceptions import EndpointContext
from fastapi.requests import Request
from fastapi.routing import APIRoute, serialize_response
from starlette._exception_handler import wrap_app_handling_exceptions
from starlette.types import Receive, Scope, Send

SIMPLE = {"path_params", "query_params", "request_param_name", "http_connection_param_name"}
SIMPLE |= {"dependencies", "name", "call", "path", "scope", "own_oauth_scopes", "parent_oauth_scopes"}
"""The attributes of FastAPI's `Dependant` that a direct route reads, or that change nothing for an async function."""

NO_QUERY = QueryParams()


class DirectRoute(APIRoute):
    """A route that calls a simple endpoint itself, and leaves every other endpoint to FastAPI.

    An endpoint is simple if it and its dependencies are async functions without `yield`, without a body, without
    security scopes, and without parameters of FastAPI's own types except the request. FastAPI also serves each request
    with invalid parameters, as it describes the errors, all requests while `dependency_overrides` replace dependencies,
    and a route in a router that another router or application includes.

    All parameters are read before the first dependency runs: a dependency cannot change them for the endpoint.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - FastAPI's own constructor takes 30 arguments
        super().__init__(*args, **options)
        order = list(_in_order(self.dependant))
        usual = self.response_field is not None and isinstance(self.response_class, DefaultPlaceholder)
        in_path = {get_validation_alias(field) for dependant in order for field in dependant.path_params}
        is_direct = usual and self.max_body_size is None and isfunction(self.endpoint) and all(map(_is_simple, order))
        is_direct = is_direct and in_path <= self.param_convertors.keys()
        self._calls = [_Call.of(dependant) for dependant in order] if is_direct else []
        self._context = _context(self) if is_direct else EndpointContext()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive, send)
        arguments = self._arguments(request)
        if not arguments:
            await super().handle(scope, receive, send)
            return
        results: dict[Any, Any] = {}
        try:
            for call, own in zip(self._calls, arguments, strict=True):
                if call.function not in results:  # FastAPI too calls a dependency once per request
                    needed = {name: results[function] for name, function in call.needs}
                    results[call.function] = await call.function(**own, **needed)
            response = await self._response(results[self.endpoint])
        except Exception as error:  # noqa: BLE001 - Starlette raises it again unless there is a handler
            # The exception handler gets this request object, which keeps the body if the endpoint has read it.
            await wrap_app_handling_exceptions(partial(_fail, error), request)(scope, receive, send)
            return
        await response(scope, receive, send)

    def _arguments(self, request: Request) -> list[dict[str, Any]]:
        """Return the arguments for dependencies and endpoint; an empty list if FastAPI must serve the request."""
        arguments: list[dict[str, Any]] = []
        overrides = getattr(self.dependency_overrides_provider, "dependency_overrides", None)
        # A router that includes the router of this route may add options, which FastAPI must apply.
        options = request.scope.get("fastapi", {}).get("effective_route_context")
        if overrides or options is not None or request.method not in (self.methods or ()):
            return []
        for call in self._calls:
            if (own := call.arguments(request)) is None:
                return []
            arguments.append(own)
        return arguments

    async def _response(self, returned: Any) -> Response:  # noqa: ANN401 - an endpoint may return anything
        if isinstance(returned, Response):
            return returned
        content = await serialize_response(
            field=self.response_field,
            response_content=returned,
            include=self.response_model_include,
            exclude=self.response_model_exclude,
            by_alias=self.response_model_by_alias,
            exclude_unset=self.response_model_exclude_unset,
            exclude_defaults=self.response_model_exclude_defaults,
            exclude_none=self.response_model_exclude_none,
            endpoint_ctx=self._context,
            dump_json=True,
        )
        return Response(content, self.status_code or 200, media_type="application/json")


@dataclass(frozen=True, slots=True)
class _Call:
    """The call of an endpoint or a dependency, with the parameters that FastAPI has found in its signature."""

    function: Any
    dependant: Dependant
    connections: list[str]
    path: list[tuple[str, ModelField]]
    needs: list[tuple[str, Any]]

    @classmethod
    def of(cls, dependant: Dependant) -> Self:
        connections = dependant.request_param_name, dependant.http_connection_param_name
        needs = [(need.name, need.call) for need in dependant.dependencies if need.name]
        path = [(get_validation_alias(field), field) for field in dependant.path_params]
        return cls(dependant.call, dependant, [name for name in connections if name], path, needs)

    def arguments(self, request: Request) -> dict[str, Any] | None:
        """Return the arguments of a function, without the results of dependencies; None if a parameter is invalid."""
        own: dict[str, Any] = dict.fromkeys(self.connections, request)
        for alias, field in self.path:  # FastAPI's function would also inspect the parameter's type, which takes time
            own[field.name], errors = field.validate(request.path_params[alias])
            if errors:
                return None
        if self.dependant.query_params:
            given = request.query_params if request.scope["query_string"] else NO_QUERY
            query, errors = request_params_to_args(self.dependant.query_params, given)
            own |= query
            if errors:
                return None
        return own


def _context(route: APIRoute) -> EndpointContext:
    """Return file, line and name of an endpoint's function, which the error of an invalid response shows."""
    code, path = route.endpoint.__code__, " ".join([*sorted(route.methods or ()), route.path])
    return EndpointContext(file=code.co_filename, line=code.co_firstlineno, function=code.co_name, path=path)


async def _fail(error: Exception, *_: object) -> None:
    raise error


def _in_order(dependant: Dependant) -> Iterator[Dependant]:
    """Yield the dependencies of a function and then the function, in the sequence of FastAPI's calls."""
    for need in dependant.dependencies:
        yield from _in_order(need)
    yield dependant


def _is_simple(dependant: Dependant) -> bool:
    """Tell whether the route can call a function itself: an async function with path and query parameters only."""
    known = replace(Dependant(), **{name: getattr(dependant, name) for name in SIMPLE})
    scopes = dependant.own_oauth_scopes or dependant.parent_oauth_scopes
    return iscoroutinefunction(dependant.call) and dependant == known and not scopes
