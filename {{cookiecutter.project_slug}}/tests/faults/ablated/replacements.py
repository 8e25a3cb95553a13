"""Replacements that switch off a defence of the service: a fault test must fail without the defence.

Each function returns a replacement, and imports the module of the service that the replacement needs, so that a run
imports no more modules than necessary.
"""

import pickle
from contextlib import nullcontext
from contextvars import ContextVar
from importlib import import_module
from typing import Annotated, Any, get_args

from fastapi import Depends, FastAPI
from pydantic import BaseModel, create_model
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server


def do_nothing() -> object:
    return lambda *_: None


def do_nothing_async() -> object:
    return _do_nothing_async


def never() -> object:
    return lambda *_: False


def always() -> object:
    return lambda *_: True


def url_read_anew() -> object:
    return lambda text, **_: import_module("yarl").URL(text)


def unchanged() -> object:
    return lambda given: given


def thousands_of_streams() -> object:
    return lambda _plan: {"max_concurrent": 10_000, "max_per_client": 10_000}


def none_missing() -> object:
    return lambda *_: ()


def admit() -> object:
    return lambda *_: 0


def zero() -> int:
    return 0


def unlimited() -> int:
    return 10**12


def no_paths() -> tuple[str, ...]:
    return ()


def null_context() -> object:
    return lambda *_, **__: nullcontext(True)


def empty() -> dict[str, Any]:
    return {}


def no_media_type() -> bytes:
    return b"none/none"


def stock_call() -> object:
    return FastAPI.__call__


def plain_answer() -> object:
    return lambda message: pickle.dumps((work := pickle.loads(message)) and (False, work[1](*work[2])))  # noqa: S301 - bytes from the service itself


def no_text() -> str:
    return ""


def any_address() -> str:
    return "*"


def plain_select() -> str:
    return "SELECT"


def any_server() -> object:
    return lambda url, _target: url.get_secret_value()


def late_commit() -> object:
    session, depends = get_args(import_module("app.dependencies").WriteSession)
    return Annotated[session, Depends(depends.dependency, scope="request")]


def unused_variable() -> ContextVar[None]:
    return ContextVar("unused", default=None)


def stock_tick() -> object:
    return Server.on_tick


def httptools_feed() -> object:
    return lambda parser, piece: getattr(parser, "_parse")(piece)  # noqa: B009 - the attribute is private


def stock_refusal() -> object:
    return HttpToolsProtocol.send_400_response


def stock_upgrade() -> object:
    return HttpToolsProtocol.handle_websocket_upgrade


def serve_all() -> object:
    return lambda *_: "served"


def pass_through() -> object:
    return _pass_through


def no_lock_timeout() -> object:
    return _unset("lock_timeout")


def no_statement_timeout() -> object:
    return _unset("statement_timeout")


def read_all() -> object:
    return _read_all


def timeout_of_an_hour() -> type[BaseModel]:
    return _lenient(timeout_seconds=3600.0)


def thousands_of_calls() -> type[BaseModel]:
    return _lenient(max_concurrent=10_000)


async def _pass_through(middleware: Any, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - `middleware` is any ASGI middleware
    await middleware.app(scope, receive, send)


async def _do_nothing_async(*_arguments: object, **_options: object) -> None:
    pass


async def _read_all(_client: object, response: Any) -> bytes:  # noqa: ANN401 - a response of the HTTP library
    body: bytes = await response.aread()
    return body


def _unset(name: str) -> Any:  # noqa: ANN401 - the result is a function
    """Return a function that sets PostgreSQL's timeouts as the service does, but switches the timeout `name` off."""
    original = import_module("app.database.connection").enforced
    return lambda timeouts: {**original(timeouts), name: "0"}


def _lenient(**defaults: Any) -> type[BaseModel]:  # noqa: ANN401 - Any, as settings have several types
    """Return the class of a downstream's settings with different defaults, which may exceed the allowed range."""
    original = import_module("app.settings.downstreams").DownstreamSettings
    fields: Any = {name: (original.model_fields[name].rebuild_annotation(), own) for name, own in defaults.items()}
    return create_model(original.__name__, __base__=original, **fields)
