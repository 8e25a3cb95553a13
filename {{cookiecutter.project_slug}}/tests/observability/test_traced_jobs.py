"""A job runs in the trace of the request that enqueued it: its span, its statements and its log lines."""

import pytest
from fastapi import APIRouter
from sqlalchemy import text

from app.dependencies import WriteSession
from app.jobs.enqueue import enqueue
from app.jobs.registry import job
from app.jobs.run import JobFailed, Run
from tests.conftest import client_of
from tests.jobs.conftest import QUICK, saw, working
from tests.jobs.kinds import SEEN, Note
from tests.observability.collector import ERROR, attributes_of, collecting
from tests.observability.test_traces import traced

router = APIRouter()
CANARY = "canary7f3a"


@job("test.traced", max_attempts=1)
async def look(payload: Note, run: Run) -> None:
    """Run a statement as a job, then fail if the payload is the canary."""
    await run.resources.reader.execute(text("SELECT CAST(:word AS text)"), {"word": payload.text})
    SEEN.append(payload.text)
    if payload.text == CANARY:
        raise JobFailed("no_luck", payload.text)


@router.post("/traced/jobs")
async def start(session: WriteSession, word: str) -> str:
    """Enqueue a job in the request's transaction."""
    enqueued = await enqueue(session, look, Note(text=word))
    return str(enqueued.job.id)


@pytest.mark.parametrize(("word", "failed"), [("tea", False), (CANARY, True)])
async def test_a_job_is_in_the_trace_of_its_request(committed_url: str, word: str, failed: bool) -> None:
    SEEN.clear()
    with collecting() as collector:
        async with traced(committed_url, collector) as app:
            app.include_router(router)
            async with client_of(app) as client:
                await client.post("/traced/jobs", params={"word": word})
            async with working(committed_url, QUICK, otel_exporter_otlp_endpoint=collector.url):
                await saw(word)

    request, process = collector.named("POST /traced/jobs"), collector.named("process test.traced")
    statement = next(span for span in collector.spans if span.parent_span_id == process.span_id)
    assert {process.trace_id, statement.trace_id} == {request.trace_id}
    assert process.parent_span_id == request.span_id
    assert (process.status.code == ERROR, attributes_of(process).get("error.type")) == (
        failed,
        "JobFailed" if failed else None,
    )
    assert CANARY.encode() not in b"".join(collector.raw)
