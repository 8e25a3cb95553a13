"""Tokens of a language model as server-sent events: the model stops when the client leaves.

Run: MODEL_URL=http://127.0.0.1:8001/v1/completions uvicorn llm_stream:app
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager
from typing import Annotated

import httpx2
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

MAX_CONCURRENT = 20
"""The most answers that this process streams at a time: each costs money, and holds a connection to the model."""

ANSWER_SECONDS, SILENCE_SECONDS = 120.0, 20.0
"""The longest time for an answer, and the longest wait for the next token."""


class Prompt(BaseModel):
    """The request body: a client's question to the model."""

    text: str = Field(max_length=10_000)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open a single HTTP client for the model, with as many connections as concurrent answers."""
    limits = httpx2.Limits(max_connections=MAX_CONCURRENT, max_keepalive_connections=MAX_CONCURRENT)
    timeout = httpx2.Timeout(2, read=SILENCE_SECONDS)
    async with httpx2.AsyncClient(limits=limits, timeout=timeout, trust_env=False) as client:
        app.state.model, app.state.answers = client, asyncio.Semaphore(MAX_CONCURRENT)
        yield


async def ask(prompt: Prompt, request: Request) -> AsyncGenerator[httpx2.Response]:
    """Yield the model's response once begun; the connection is closed when the client has left, or has everything."""
    answers: asyncio.Semaphore = request.app.state.answers
    if answers.locked():
        raise HTTPException(503, "Too many answers are being written.", {"Retry-After": "5"})
    question = prompt.model_dump()
    async with answers, request.app.state.model.stream("POST", os.environ["MODEL_URL"], json=question) as response:
        if response.is_error:
            raise HTTPException(502, "The model refuses.")
        yield response


app = FastAPI(lifespan=lifespan)


@app.post("/answers", response_class=EventSourceResponse)
async def answer(response: Annotated[httpx2.Response, Depends(ask)]) -> AsyncIterable[ServerSentEvent]:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    yield ServerSentEvent(event="token", data=json.loads(line[5:]))
    except (httpx2.HTTPError, TimeoutError):
        yield ServerSentEvent(event="error", data="The model did not finish.")  # too late for a 5xx: 200 was sent
    else:
        yield ServerSentEvent(event="complete", data="")
