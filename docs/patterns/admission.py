"""Admission control under overload: of four requests two are served, one waits in a queue, and one gets 503 at once."""

import asyncio

from app.limits.bulkhead import Bulkhead
from app.web.admission import Admission
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(0.05)
    await PlainTextResponse("done")(scope, receive, send)


async def main() -> None:
    statuses: list[int] = []
    bounds = {"max_concurrent": 2, "max_queue": 1, "queue_timeout_seconds": 5, "refusal": "The service is too busy."}
    app = Admission(slow, lambda _scope: "orders", {"orders": Bulkhead(**bounds)}, after_response=Bulkhead(**bounds))

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await asyncio.gather(*(app({"type": "http", "headers": []}, None, send) for _ in range(4)))
    assert statuses == [503, 200, 200, 200], statuses


asyncio.run(main())
