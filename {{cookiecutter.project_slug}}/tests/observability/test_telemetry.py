"""FastAPI's own OpenTelemetry is on when it was asked for; in a process of its own, where a provider can be set up."""

import os
import subprocess
import sys

import pytest

from tests.databases import ROOT

ASK = """
import asyncio
from opentelemetry import trace
from app.downstreams.client import httpx

spans = []

class Tracer(trace.NoOpTracer):
    def start_span(self, name, *arguments, **options):
        spans.append(name)
        return super().start_span(name, *arguments, **options)

class Provider(trace.TracerProvider):
    def get_tracer(self, *arguments, **options):
        return Tracer()

trace.set_tracer_provider(Provider())

async def ask():
    from app.main import app
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
        await client.get("/health/live")

asyncio.run(ask())
print(spans)
"""


@pytest.mark.parametrize(("telemetry", "spans"), [("true", ["GET"]), ("false", [])])
def test_a_request_has_a_span_only_with_telemetry(telemetry: str, spans: list[str]) -> None:
    settings = {
        "TELEMETRY": telemetry,
        "DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/none",
        "LOG_LEVEL": "error",
    }

    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=True
    )

    assert done.stdout == f"{spans}\n"
