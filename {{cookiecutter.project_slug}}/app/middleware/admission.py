"""Admit so many requests of each family at once, let so many wait for so long, and refuse the rest at once.

A refusal costs no routing, no parsing and no connection, so a service that is asked for twenty times what it can do
still does what it can.
"""

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from app.capacity.plan import Plan
from app.errors import Unavailable
from app.families import Families
from app.gate import Gate
from app.pool import share
from app.problems import problem

DATABASE = "{}.database"
"""The name of a family's share of the connections."""


def gates_for(families: Families, plan: Plan) -> Mapping[str, Gate]:
    """Build two gates for each family: for its requests, and for the database connections that they hold."""
    gates = {}
    for name in families.by_name:
        gates[name] = Gate(
            places=plan.families[name],
            max_waiting=plan.waiting,
            max_wait_seconds=plan.wait_seconds,
            refusal="The service is too busy.",
        )
        gates[DATABASE.format(name)] = Gate(
            places=plan.family_connections,
            max_waiting=plan.database_waiting,
            max_wait_seconds=plan.database_wait_seconds,
            refusal="The database is too busy.",
        )
    return gates


class Admission:
    """Let requests through the gate of their family; probes pass."""

    def __init__(self, app: ASGIApp, families: Families, gates: Mapping[str, Gate]) -> None:
        self.app = app
        self.families = families
        self.gates = {name: (gates[name], gates[DATABASE.format(name)]) for name in families.by_name}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        name = self.families.of(scope) if scope["type"] == "http" else None
        if name is None:
            await self.app(scope, receive, send)
            return
        gate, connections = self.gates[name]
        try:
            await gate.enter()
        except Unavailable as full:
            await problem(full.status, full.title, full.detail, headers={"Retry-After": "1"})(scope, receive, send)
            return
        token = share.set(connections)
        try:
            await self.app(scope, receive, send)
        finally:
            share.reset(token)
            gate.leave()
