"""The stub of the downstream `confirmations`, which counts each Idempotency-Key once; a part of the example."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

received: dict[str, object] = {}
"""The request bodies that the stub has received, by Idempotency-Key."""


async def confirm(request: Request) -> Response:
    """Answer `POST /confirmations/imports`: 201 for a new Idempotency-Key, 200 for a known key, 400 without key."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return JSONResponse({"detail": "an Idempotency-Key is needed"}, status_code=400)
    status = 200 if key in received else 201
    received.setdefault(key, await request.json())
    return JSONResponse({"confirmed": len(received)}, status_code=status)


ROUTES: list[BaseRoute] = [Route("/imports", confirm, methods=["POST"])]
