"""Readiness fails as soon as the process drains, so that a load balancer sends no more requests."""

from fastapi import FastAPI

from app.lifespan import begin_drain
from tests.http_client import httpx


async def test_not_ready_while_the_process_drains(committed_app: FastAPI, committed_client: httpx.AsyncClient) -> None:
    begin_drain(committed_app)

    answer = await committed_client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["the process is stopping"]
