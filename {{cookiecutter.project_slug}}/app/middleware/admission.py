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
from app.problems import problem


def gates_for(families: Families, plan: Plan) -> Mapping[str, Gate]:
    """Build the gate of each family: its own number of places, or what the plan grants."""
    return {
        name: Gate(
            places=family.running or plan.running,
            max_waiting=plan.waiting,
            max_wait_seconds=plan.wait_seconds,
            refusal="The service is too busy.",
        )
        for name, family in families.by_name.items()
    }


class Admission:
    """Let requests through the gate of their family; probes pass."""

    def __init__(self, app: ASGIApp, families: Families, gates: Mapping[str, Gate]) -> None:
        self.app = app
        self.families = families
        self.gates = gates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        name = self.families.name_of(scope["path"]) if scope["type"] == "http" else None
        if name is None:
            await self.app(scope, receive, send)
            return
        gate = self.gates[name]
        try:
            await gate.enter()
        except Unavailable as full:
            await problem(full.status, full.title, full.detail, headers={"Retry-After": "1"})(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            gate.leave()
