"""Tokens of a model: the recipe, and what the lines of the tutorials do, with a model behind a real server."""

import asyncio
import json
from collections.abc import AsyncGenerator

import httpx
import llm_stream
import pytest
from edges import served, tutorial
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

pytestmark = pytest.mark.anyio

TOKENS, EACH_SECONDS = 200, 0.01


class Model:
    """A stub of a model: it counts the tokens that it makes, as a real model bills them."""

    def __init__(self) -> None:
        self.tokens = 0
        self.app = FastAPI()
        self.app.post("/")(self.complete)

    async def complete(self, prompt: dict[str, str]) -> StreamingResponse:
        """Stream an answer, or half of an answer."""
        return StreamingResponse(self.answer(broken="half" in prompt["text"]), media_type="text/event-stream")

    async def answer(self, *, broken: bool) -> AsyncGenerator[str]:
        """Write tokens, and count them."""
        for number in range(TOKENS):
            self.tokens += 1
            yield f"data: {json.dumps(f'token {number}')}\n\n"
            await asyncio.sleep(EACH_SECONDS)
            if broken and number == 3:
                raise RuntimeError("the model breaks off")


async def leave_after_three(address: str) -> None:
    """Read three tokens of an answer, and leave."""
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
async def test_too_many_answers_at_once_are_refused() -> None:
    async with served(llm_stream.app) as address, httpx.AsyncClient(timeout=30) as client:
        count = llm_stream.MAX_CONCURRENT + 5
        asks = (client.post(f"{address}/answers", json={"text": "hello"}) for _ in range(count))
        statuses = [answer.status_code for answer in await asyncio.gather(*asks)]

    assert statuses.count(503) == 5
