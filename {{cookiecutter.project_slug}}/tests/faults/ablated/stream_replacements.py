"""Replacements that switch off a defence of streams or WebSockets: a fault test must fail without the defence."""

import asyncio
from importlib import import_module
from typing import Any


def one_task_for_reading_and_handling() -> object:
    websocket = import_module("app.streams.websocket")

    async def read_and_handle(talk: Any, hub: Any, subscription: Any) -> None:  # noqa: ANN401 - the signature of `converse`
        while (received := await talk.receive())["type"] != "websocket.disconnect":
            message = websocket.Message.model_validate_json(received["text"])
            subscription.reply(await websocket.answer(message, hub, subscription))

    async def converse(talk: Any, hub: Any, subscription: Any) -> None:  # noqa: ANN401 - the signature of `converse`
        await talk.accept()
        await asyncio.gather(read_and_handle(talk, hub, subscription), websocket.send(talk, hub, subscription))

    return converse
