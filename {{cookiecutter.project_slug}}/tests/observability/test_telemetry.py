"""The setting TELEMETRY turns on the OpenTelemetry of FastAPI; tested in a separate process with a tracer provider."""

import os
import subprocess
import sys

import pytest

from tests.databases import ROOT

ASK = """
import asyncio
from opentelemetry import trace

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
    from app.main import app  # FastAPI asks for the provider when the application is built
    from tests.http_client import httpx
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
