"""Request ids and one log format: lines of the service and of libraries are JSON and carry the id of the request."""

import asyncio
import json
import logging
import os
from tempfile import TemporaryFile

import structlog
from app.observability import logs
from app.web.request_id import RequestId
from app.web.trust import TrustedCallers


async def answer(*_scope_receive_send: object) -> None:
    structlog.get_logger().info("an order was placed", order=7)
    logging.getLogger("a.library").warning("a line of a library")


app = RequestId(answer, TrustedCallers("127.0.0.1"))
request = {"type": "http", "headers": [(b"x-request-id", b"my-request")]}
with TemporaryFile() as file:
    os.dup2(file.fileno(), 1)  # file descriptor 1, standard output: the log writer writes there
    logs.configure(level="info", log_format="json")
    asyncio.run(app(request, None, None))
    logs.output.close()
    file.seek(0)
    lines = [json.loads(line) for line in file]
assert [line["event"] for line in lines] == ["an order was placed", "a line of a library"]
assert [line["request_id"] for line in lines] == ["my-request"] * 2
