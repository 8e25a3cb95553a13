"""The service with a WebSocket route, which needs a library that the service itself does not install."""

from fastapi import APIRouter, WebSocket

from app.main import create_app
from app.settings.load import load_settings

app = create_app(load_settings())
router = APIRouter()


@router.websocket("/talk")
async def talk(websocket: WebSocket) -> None:
    """Close the WebSocket."""
    await websocket.close()


app.include_router(router)
