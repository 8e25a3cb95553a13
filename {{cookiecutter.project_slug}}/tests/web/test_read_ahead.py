"""Request bodies are read ahead: a request continues once the body has arrived, within bounds of time and memory."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from app.limits.bulkhead import Bulkhead
from app.web.json_values import has_more_values
from app.web.read_ahead import FIRST_BYTES, PATIENCE_SECONDS, ReadAhead
from tests.tasks import until

PART = bytes(FIRST_BYTES // 2)


class Server:
    """A server whose application, behind the read-ahead middleware, reads a whole body and returns its size."""

    def __init__(self, *, max_concurrent: int = 10, max_bytes: int = 10**9) -> None:
        self.reached = 0
        self.failed: list[int] = []
        self.bodies = Bulkhead(max_concurrent=max_concurrent, max_queue=10, queue_timeout_seconds=60, refusal="full")
        self.app = ReadAhead(self._run, self.bodies, max_bytes, 2000)

    async def _run(self, _scope: Scope, receive: Receive, send: Send) -> None:
        self.reached += 1
        size, more = 0, True
        try:
            while more:
                message = await receive()
                size, more = size + len(message["body"]), message["more_body"]
        except HTTPException as refused:
            self.failed.append(refused.status_code)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % size})


class Client:
    """A client of the server, which sends a body part by part; while `parts` is empty, the client pauses."""

    def __init__(self, server: Server, *parts: bytes, kind: str = "application/octet-stream") -> None:
        self.parts: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.send(*parts)
        headers = [(b"content-type", kind.encode()), (b"transfer-encoding", b"chunked")]
        self.request = asyncio.create_task(
            server.app({"type": "http", "path": "/", "headers": headers}, self.parts.get, self._note)
        )

    def send(self, *parts: bytes, more: bool = True) -> None:
        """Send parts of the body; `more` is False for the last part."""
        for part in parts:
            self.parts.put_nowait({"type": "http.request", "body": part, "more_body": more})

    async def answer(self) -> tuple[int, bytes, bytes | None]:
        """Wait for the response; return the status, the body and the header Retry-After."""
        async with asyncio.timeout(60):
            await self.request
        start, end = self.sent
        return start["status"], end["body"], dict(start["headers"]).get(b"retry-after")

    async def _note(self, message: Message) -> None:
        self.sent.append(message)


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_request_goes_on_when_the_whole_body_is_there() -> None:
    server = Server()
    client = Client(server, b"1", b"2")
    await turns()

    assert (server.reached, server.bodies.in_use) == (0, 1)
    client.send(b"3", more=False)
    assert await client.answer() == (200, b"3", None)
    assert server.bodies.in_use == 0


async def test_a_large_body_is_read_whole_while_there_is_memory_and_else_goes_on_after_64_kilobytes() -> None:
    roomy, tight = Server(), Server(max_bytes=len(PART))
    clients = [Client(server, PART, PART) for server in (roomy, tight)]
    await turns()

    assert (roomy.reached, tight.reached) == (0, 1)
    for client in clients:
        client.send(PART, more=False)
    assert [await client.answer() for client in clients] == [(200, b"%d" % (3 * len(PART)), None)] * 2


async def test_json_is_read_whole_or_refused() -> None:
    roomy, tight = Server(), Server(max_bytes=len(PART))
    clients = [Client(server, PART, PART, kind="application/json") for server in (roomy, tight)]
    await turns()

    assert (roomy.reached, tight.reached) == (0, 0)
    clients[0].send(PART, more=False)
    assert [(await client.answer())[0] for client in clients] == [200, 503]


async def test_beyond_the_bound_the_oldest_body_makes_room_for_each_newcomer() -> None:
    server = Server(max_concurrent=2)
    slow = [Client(server, b"1") for _ in range(2)]
    await turns()

    newcomers = [Client(server, b"1") for _ in range(2)]
    answers = [await client.answer() for client in slow]
    for client in newcomers:
        client.send(b"2", more=False)

    assert {(status, retry) for status, _, retry in answers} == {(503, b"1")}
    assert {await client.answer() for client in newcomers} == {(200, b"2", None)}


async def test_a_client_that_stops_sending_is_answered_408_before_and_after_its_request_went_on() -> None:
    server = Server(max_bytes=0)
    before, after = Client(server, b"1"), Client(server, PART, PART)
    began = asyncio.get_running_loop().time()

    status, _, _ = await before.answer()
    await after.request

    assert (status, server.failed) == (408, [408])
    assert asyncio.get_running_loop().time() - began < 10 * PATIENCE_SECONDS


async def test_a_client_that_leaves_is_answered_400_and_reaches_nothing() -> None:
    server = Server()
    client = Client(server, b"1")
    client.parts.put_nowait({"type": "http.disconnect"})

    assert (await client.answer())[0] == 400
    assert server.reached == 0


@pytest.mark.parametrize("kind", ["application/json", "APPLICATION/JSON ; charset=utf-8", "application/x+json"])
async def test_a_json_body_with_too_many_values_is_refused_before_it_is_parsed(kind: str) -> None:
    server = Server()
    clients = [Client(server, b"[" + b"0," * count, kind=kind) for count in (1_999, 2_000)]
    for client in clients:
        client.send(b"0]", more=False)

    assert [(await client.answer())[0] for client in clients] == [200, 422]


LONG = b'"' + b"," * 5_000 + b'"'


@pytest.mark.parametrize(
    ("parts", "more"),
    [
        ([b"[", LONG, b"]"], False),
        ([b'["\\', LONG, b'"]'], False),  # an escaped quote does not end a string
        ([b'["\\\\', LONG, b'"]'], True),  # a quote after an escaped backslash ends a string
        ([b'{"', b'":0,"'.join(b"%d" % key for key in range(2_001)), b'":0}'], True),
        ([b'{"', b'":0,"'.join(b"%d" % key for key in range(2_000)), b'":0}'], False),
        ([("[" + "0," * 3_000 + "0]").encode("utf-16")], True),
        ([b'"", ' * 5_000], True),
        ([b'"\\"' * 20_000], False),
    ],
)
def test_values_are_counted_and_commas_in_strings_are_not(parts: Sequence[bytes], more: bool) -> None:
    assert has_more_values(b"".join(parts), 2_000) is more


async def test_a_request_without_a_body_is_not_held_back() -> None:
    server = Server()
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "path": "/", "headers": [(b"content-length", b"0")]}
    await asyncio.wait_for(server.app(scope, receive, send), 5)
    await until(lambda: len(sent) == 2)

    assert (server.reached, server.bodies.in_use) == (1, 0)
