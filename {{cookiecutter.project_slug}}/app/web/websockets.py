"""WebSocket routes: their paths, and the check that the library which serves WebSockets is installed.

Without that library uvicorn answers 404 on each WebSocket route. The library is often a dependency of a test tool, so
all tests may pass while the image lacks the library.
"""

from collections.abc import Iterable, Iterator

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Match, WebSocketRoute
from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

from app.errors import CannotStart

DEPENDENCY = "wsproto>=1.3.2,<2"
"""The library that serves WebSockets, as a line for pyproject.toml. uvicorn could also use `websockets`, but then logs
an error for each WebSocket that the service refuses."""


class WebSocketLibraryError(CannotStart):
    """The application has a WebSocket route, but no library is installed that serves WebSockets."""


def require_library(app: FastAPI) -> None:
    """Refuse an application with a WebSocket route that this installation cannot serve.

    Raises:
        WebSocketLibraryError: the library is missing; the message has the line to add.
    """
    path = next(_paths(app.routes), None)
    if path is not None and AutoWebSocketsProtocol is None:
        raise WebSocketLibraryError(
            f'{path} is a WebSocket route, and no WebSocket library is installed: add "{DEPENDENCY}" to `dependencies` '
            "in pyproject.toml, then run `make setup`."
        )


def has_route(app: FastAPI, path: str) -> bool:
    """Tell whether a WebSocket route, or a mounted application, has this path."""
    scope = {"type": "websocket", "path": path, "root_path": "", "headers": []}
    return any(route.matches(scope)[0] is not Match.NONE for route in app.routes)


def _paths(routes: Iterable[BaseRoute]) -> Iterator[str]:
    for context in iter_route_contexts(list(routes)):
        if isinstance(context.original_route, WebSocketRoute):
            yield context.path or ""
        yield from _paths(getattr(context.original_route, "routes", None) or ())  # look into mounted applications too
