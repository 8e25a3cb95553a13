import os

import redis.asyncio as redis
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()
client = redis.from_url(os.environ["VALKEY_URL"])


@app.get("/prices")
async def prices():
    async def stream():
        pubsub = client.pubsub()
        await pubsub.subscribe("prices")
        async for message in pubsub.listen():
            if message["type"] == "message":
                yield f"data: {message['data'].decode()}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")
