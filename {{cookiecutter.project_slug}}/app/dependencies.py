"""FastAPI dependencies: the resources that routes may use, as `Annotated` aliases. No other module reads `app.state`.

All dependencies are async: FastAPI would run a sync dependency in a thread, which costs a fifth more CPU per request.
Sessions have `scope="function"`: FastAPI ends the session after the handler and before the response starts. With the
default scope the commit would follow the response, and a commit that fails would contradict a 201 that was sent
already.

Dependencies take an `HTTPConnection` where they can, so that WebSocket routes can use them too: FastAPI passes no
`Request` to a WebSocket route.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Annotated

from fastapi import Depends, Header, Query, Request
from fastapi.requests import HTTPConnection
from pydantic import BaseModel, ConfigDict

from app.database.engine import ReadOnlySession, ReadWriteSession
from app.database.reader import Reader
from app.database.transaction import transaction  # {%- if cookiecutter.http_client != "none" +%}
from app.downstreams.registry import Downstreams  # {%- endif +%}
from app.idempotency.request import IdempotentRequest
from app.resources import Resources
from app.work.background import Supervisor
from app.work.offload import Offload  # {%- if cookiecutter.example == "showcases" +%}
from app.work.processes import Processes  # {%- endif +%}

Transactions = Callable[[], AbstractAsyncContextManager[ReadWriteSession]]
"""The type of the function that opens write transactions: `async with transactions() as session`."""


def resources_of(request: HTTPConnection) -> Resources:
    """Return the resources of this process, by a plain call, as a dependency would cost more CPU for each request."""
    resources: Resources = request.app.state.resources
    return resources


async def get_reader(request: HTTPConnection) -> Reader:
    """Return the reader, which runs read-only statements."""
    return resources_of(request).reader


ReadSession = Annotated[Reader, Depends(get_reader)]
"""The dependency of a route that only reads: a `Reader`, which makes one round trip for each statement, holds no
connection between statements, and cannot write."""


async def open_snapshot_session(request: HTTPConnection) -> AsyncGenerator[ReadOnlySession]:
    """Yield a session in a read-only transaction in which all statements see one snapshot."""
    async with resources_of(request).snapshot_sessions() as session:
        yield session


SnapshotSession = Annotated[ReadOnlySession, Depends(open_snapshot_session, scope="function")]
"""The dependency of a route whose reads must agree with each other: a session in one read-only transaction at the
isolation level REPEATABLE READ."""


async def open_write_session(request: HTTPConnection) -> AsyncGenerator[ReadWriteSession]:
    """Yield a session in a transaction; commit when the handler has returned, roll back after an exception."""
    async with transaction(resources_of(request).write_sessions) as session:
        yield session


WriteSession = Annotated[ReadWriteSession, Depends(open_write_session, scope="function")]
"""The dependency of a route that writes: a session in one transaction, committed before the response starts. To store
nothing, the route raises an error: a route that calls `session.commit()`, or that returns after `session.rollback()`,
is answered with 500."""


async def get_transactions(request: HTTPConnection) -> Transactions:
    """Return the function that opens a write transaction, which commits at the end of the block."""
    return partial(transaction, resources_of(request).write_sessions)


TransactionsDep = Annotated[Transactions, Depends(get_transactions)]
"""The dependency of a route that writes, calls a downstream and writes again: a function that opens each transaction,
so that no connection is held during the call."""


# {% if cookiecutter.http_client != "none" %}
async def get_downstreams(request: HTTPConnection) -> Downstreams:
    """Return the clients of the downstreams, by name."""
    return resources_of(request).downstreams


DownstreamsDep = Annotated[Downstreams, Depends(get_downstreams)]
"""The dependency of a route that calls other services: the clients of the downstreams, by name."""


# {% endif %}
async def get_offload(request: HTTPConnection) -> Offload:
    """Return the threads for calls that would block the event loop."""
    return resources_of(request).offload


OffloadDep = Annotated[Offload, Depends(get_offload)]
"""The dependency of a route that makes a blocking call, or computes in C code that releases the GIL: threads for this
code."""


# {% if cookiecutter.example == "showcases" %}
async def get_processes(request: HTTPConnection) -> Processes:
    """Return the worker processes for Python code that computes."""
    return resources_of(request).processes


ProcessesDep = Annotated[Processes, Depends(get_processes)]
"""The dependency of a route that computes in Python for more than a few milliseconds: worker processes, which have a
GIL each."""


# {% endif %}
async def get_supervisor(request: HTTPConnection) -> Supervisor:
    """Return the supervisor, which starts background tasks."""
    return resources_of(request).supervisor


SupervisorDep = Annotated[Supervisor, Depends(get_supervisor)]
"""The dependency of a route that starts a background task, which continues after the response. A task that is started
within a write transaction runs after the commit. A process that dies between the commit and the end of the task loses
the task. Store work that must not be lost as a job in the same transaction: a worker runs the job even after a
crash."""


SAME_KEY = "A write repeated with its key happens once: a repeat gets the first response, with `Idempotency-Replayed`."


async def get_idempotent_request(
    request: Request,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$", description=SAME_KEY)
    ] = None,
) -> IdempotentRequest:
    """Return the `IdempotentRequest` of a request, with digests of the Idempotency-Key, route, query and body."""
    return IdempotentRequest.of(
        idempotency_key,
        operation=f"{request.method} {request.url.path}",
        request=f"{request.url.query}\n".encode() + await request.body(),
        seconds=resources_of(request).idempotency_seconds,
        caller=request.scope.get("caller", ""),  # set by the authentication middleware, if there is any
    )


IdempotentDep = Annotated[IdempotentRequest, Depends(get_idempotent_request)]
"""The dependency of a route that writes: a client may repeat a request with the same Idempotency-Key, and only one
write happens."""


class NoQuery(BaseModel):
    """The query of a route without parameters: an unknown parameter is refused, as in every query model."""

    model_config = ConfigDict(extra="forbid")


async def refuse_query(_query: Annotated[NoQuery, Query()]) -> None:
    """Refuse a query string: a client must not believe that a parameter such as `dry_run` has an effect."""


STRICT = [Depends(refuse_query)]
"""The dependency of a route without query parameters, as `dependencies=STRICT`: any query string is answered with
422."""


async def get_resources(request: HTTPConnection) -> Resources:
    """Return all resources of this process."""
    return resources_of(request)


ResourcesDep = Annotated[Resources, Depends(get_resources)]
"""The dependency of a route that reports the load of this process: all resources."""
