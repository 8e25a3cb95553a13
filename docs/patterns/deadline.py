"""A deadline for requests: the client gets 504 in time, while the handler's clean-up still waits for the database."""

import asyncio

from app.web.deadline import Deadline
from starlette.types import Message, Receive, Scope, Send

order: list[object] = []


async def frozen(_scope: Scope, _receive: Receive, _send: Send) -> None:
    try:
        await asyncio.sleep(30)
    finally:
        await asyncio.sleep(0.2)
        order.append("clean-up ended")


async def send(message: Message) -> None:
    if message["type"] == "http.response.start":
        order.append(message["status"])


app = Deadline(frozen, limit=lambda _scope: 0.1)
asyncio.run(app({"type": "http", "headers": []}, None, send))
assert order == [504, "clean-up ended"], order
