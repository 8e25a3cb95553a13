"""The HTTP routes of streams."""

from fastapi import APIRouter

router = APIRouter(prefix="/api/v1", tags=["streams"])
