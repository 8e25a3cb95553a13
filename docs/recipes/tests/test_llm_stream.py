"""Tests of a streamed model answer, with a stub of the model behind a real server: the recipe, and the tutorials."""

import asyncio
import gc
import json
from collections.abc import AsyncGenerator, AsyncIterable, Generator
from contextlib import asynccontextmanager, contextmanager

import httpx
import llm_stream
import pytest
from edges import eventually, served, tutorial
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

pytestmark = pytest.mark.anyio

TOKENS, EACH_SECONDS = 100, 0.01


class Model:
    """A stub of a language model, with a count of the tokens made, as a real model bills tokens."""

    def __init__(self) -> None:
        self.tokens, self.asked, self.token = 0, 0, "tea"
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.app = FastAPI()
        self.app.post("/")(self.complete)

    async def complete(self, prompt: dict[str, str]) -> StreamingResponse:
        """Stream a whole answer, or an answer that breaks off half way."""
        return StreamingResponse(self.answer(broken="half" in prompt["text"]), media_type="text/event-stream")

    async def answer(self, *, broken: bool) -> AsyncGenerator[str]:
        """Yield tokens, and count each."""
        self.asked += 1
        await self.may_write.wait()
        for number in range(TOKENS):
            self.tokens += 1
            yield f"data: {json.dumps(self.token)}\n\n"
            await asyncio.sleep(EACH_SECONDS)
            if broken and number == 3:
                raise RuntimeError("the model breaks off")


async def leave_after_three(address: str) -> None:
    """Read three tokens of a streamed answer, and disconnect."""
    question = {"text": "hello"}
    async with httpx.AsyncClient() as client, client.stream("POST", f"{address}/answers", json=question) as response:
        assert response.status_code == 200
        seen = 0
        async for line in response.aiter_lines():
            seen += line.startswith("data:")
            if seen == 3:
                break


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Model]:
    stub = Model()
    async with served(stub.app) as address:
        monkeypatch.setenv("MODEL_URL", address)
        yield stub


async def test_the_model_stops_when_the_client_leaves(model: Model) -> None:
    async with served(llm_stream.app) as address:
        await leave_after_three(address)
        await asyncio.sleep(TOKENS * EACH_SECONDS * 1.5)

    assert model.tokens < TOKENS // 2


class InTheGenerator(FastAPI):
    """The recipe with a difference: the generator of the route, not a dependency, opens the response of the model."""

    def __init__(self) -> None:
        super().__init__(lifespan=llm_stream.lifespan)
        self.post("/answers", response_class=EventSourceResponse)(self.answer)

    async def answer(self, prompt: llm_stream.Prompt, request: Request) -> AsyncIterable[ServerSentEvent]:
        """Stream an answer, with the recipe's bounds inside the generator."""
        async with asynccontextmanager(llm_stream.ask)(prompt, request) as response:
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    yield ServerSentEvent(event="token", data=json.loads(line[5:]))


@pytest.mark.parametrize(("app", "is_left_open"), [(llm_stream.app, False), (InTheGenerator(), True)])
async def test_only_a_dependency_lets_go_at_once_of_a_client_that_leaves_without_having_read(
    app: FastAPI, model: Model, *, is_left_open: bool
) -> None:
    async with served(app) as address:
        answers = app.state.answers = asyncio.Semaphore(1)

        async def is_closed() -> bool:
            return not answers.locked()

        with without_garbage_collection():
            await leave_without_reading(address, model)
            await (asyncio.sleep(0.5) if is_left_open else eventually(is_closed))
            left_open = answers.locked()
        loop = asyncio.get_running_loop()
        handler = loop.get_exception_handler()
        loop.set_exception_handler(lambda *_: None)  # garbage collection closes nested generators all at once
        gc.collect()
        await eventually(is_closed)
        loop.set_exception_handler(handler)

    assert left_open == is_left_open


@contextmanager
def without_garbage_collection() -> Generator[None]:
    """Switch off the garbage collector during the block, as between two collections: reference counts free objects."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def leave_without_reading(address: str, model: Model) -> None:
    """Ask for an answer of large tokens, read nothing until the model has to wait, and disconnect."""
    model.token = "x" * 100_000
    question = json.dumps({"text": "hello"})
    head = "POST /answers HTTP/1.1\r\nHost: recipe\r\nContent-Type: application/json\r\nContent-Length: "
    reader, writer = await asyncio.open_connection(*address.removeprefix("http://").split(":"), limit=1000)
    writer.write(f"{head}{len(question)}\r\n\r\n{question}".encode())
    await reader.readuntil(b"data: ")
    before = -1
    while before < model.tokens:
        before = model.tokens
        await asyncio.sleep(0.3)
    assert model.tokens < TOKENS
    writer.transport.abort()


async def test_the_model_of_the_tutorials_writes_for_nobody(model: Model) -> None:
    async with served(tutorial("llm_stream").app) as address:
        await leave_after_three(address)
        async with asyncio.timeout(30):
            while model.tokens < TOKENS:
                await asyncio.sleep(0.05)


@pytest.mark.usefixtures("model")
async def test_an_answer_that_breaks_off_says_so() -> None:
    async with served(llm_stream.app) as address, httpx.AsyncClient() as client:
        whole = await client.post(f"{address}/answers", json={"text": "hello"}, timeout=30)
        half = await client.post(f"{address}/answers", json={"text": "half"}, timeout=30)

    assert whole.text.count("event: token") == TOKENS
    assert "event: complete" in whole.text
    assert "event: error" in half.text
    assert "event: complete" not in half.text


@pytest.mark.usefixtures("model")
async def test_an_answer_of_the_tutorials_that_breaks_off_has_no_end() -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # hides the failed task's error
    async with served(tutorial("llm_stream").app) as address, httpx.AsyncClient(timeout=3) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(f"{address}/answers", json={"text": "half"})
    gc.collect()


async def test_each_client_of_the_tutorials_is_a_connection_to_the_model(model: Model) -> None:
    async with served(tutorial("llm_stream").app) as address, httpx.AsyncClient(timeout=30) as client:
        model.may_write.clear()
        count = llm_stream.MAX_CONCURRENT + 5
        asks = asyncio.gather(*(client.post(f"{address}/answers", json={"text": "hello"}) for _ in range(count)))

        async def all_are_asked() -> bool:
            return model.asked == count

        await eventually(all_are_asked)
        model.may_write.set()

        assert [answer.status_code for answer in await asks] == [200] * count


async def test_too_many_answers_at_once_are_refused(model: Model) -> None:
    async with served(llm_stream.app) as address, httpx.AsyncClient(timeout=30) as client:
        model.may_write.clear()
        count = llm_stream.MAX_CONCURRENT + 5
        asks = [asyncio.create_task(client.post(f"{address}/answers", json={"text": "half"})) for _ in range(count)]

        async def five_are_answered() -> bool:
            return sum(ask.done() for ask in asks) == 5

        await eventually(five_are_answered)
        refused = [(await ask).status_code for ask in asks if ask.done()]
        model.may_write.set()
        statuses = [answer.status_code for answer in await asyncio.gather(*asks)]

    assert refused == [503] * 5
    assert statuses.count(200) == llm_stream.MAX_CONCURRENT
