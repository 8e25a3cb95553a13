"""What stands in the place of a defence, by name: a function returns it, for most of it needs the service."""

from contextvars import ContextVar
from importlib import import_module
from typing import Annotated, Any, get_args

from fastapi import Depends
from pydantic import BaseModel, create_model
from uvicorn.server import Server


def nothing() -> object:
    return lambda *_: None


def ignore() -> object:
    return _ignore


def never() -> object:
    return lambda *_: False


def always() -> object:
    return lambda *_: True


def none_missing() -> object:
    return lambda *_: ()


def pass_each() -> object:
    return lambda *_: 0


def zero() -> int:
    return 0


def without_end() -> int:
    return 10**12


def empty() -> dict[str, Any]:
    return {}


def everybody() -> str:
    return "*"


def late_commit() -> object:
    session, depends = get_args(import_module("app.dependencies").WriteSession)
    return Annotated[session, Depends(depends.dependency, scope="request")]


def nobodys() -> ContextVar[None]:
    return ContextVar("nobody reads it", default=None)


def stock_tick() -> object:
    return Server.on_tick


def let_through() -> object:
    return _let_through


def no_lock_timeout() -> object:
    return _unset("lock_timeout")


def no_statement_timeout() -> object:
    return _unset("statement_timeout")


def read_all() -> object:
    return _read_all


def an_hour_for_a_call() -> type[BaseModel]:
    return _lenient(total_seconds=3600.0)


def thousands_of_calls() -> type[BaseModel]:
    return _lenient(concurrency=10_000)


async def _let_through(middleware: Any, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - any middleware
    await middleware.app(scope, receive, send)


async def _ignore(*_arguments: object, **_options: object) -> None:
    pass


async def _read_all(_client: object, response: Any) -> bytes:  # noqa: ANN401 - of the HTTP library
    body: bytes = await response.aread()
    return body


def _unset(name: str) -> Any:  # noqa: ANN401 - a function
    """Return what asks the server for all settings but this one."""
    original = import_module("app.connection").enforced
    return lambda limits: {**original(limits), name: "0"}


def _lenient(**defaults: Any) -> type[BaseModel]:  # noqa: ANN401 - of any setting
    """Return the settings of a downstream with other defaults, which nobody checks."""
    original = import_module("app.downstreams.settings").DownstreamSettings
    fields: Any = {name: (original.model_fields[name].rebuild_annotation(), own) for name, own in defaults.items()}
    return create_model(original.__name__, __base__=original, **fields)
