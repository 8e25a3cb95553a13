import asyncio
import json
import os

import httpx2
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()


@app.post("/answers")
async def answer(prompt: dict):
    tokens = asyncio.Queue()

    async def ask():
        async with httpx2.AsyncClient(timeout=60) as client:
            async with client.stream("POST", os.environ["MODEL_URL"], json=prompt) as response:
                async for line in response.aiter_lines():
                    if line.startswith("data:"):
                        await tokens.put(json.loads(line[5:]))
        await tokens.put(None)

    async def stream():
        asyncio.create_task(ask())
        while (token := await tokens.get()) is not None:
            yield f"data: {json.dumps(token)}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")
