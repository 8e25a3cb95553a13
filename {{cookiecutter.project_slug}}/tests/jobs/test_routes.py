"""The routes of jobs read, list, cancel and retry the caller's own jobs; a job of another owner is 404."""

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.database.transaction import transaction
from tests.http_client import httpx
from tests.jobs.conftest import count, put, resources_of
from tests.jobs.kinds import echo, fails

NOBODY = "00000000-0000-7000-8000-000000000000"


async def change(app: FastAPI, values: str) -> None:
    async with transaction(resources_of(app).write_sessions) as session:
        await session.execute(text(f"UPDATE jobs SET {values}"))  # noqa: S608 - the values are constants of these tests


async def test_a_job_is_read(app: FastAPI, client: httpx.AsyncClient) -> None:
    job, _ = await put(app, echo, "tea", total=3)
    found = (await client.get(f"/api/v1/jobs/{job.id}")).json()

    expected = {"id": str(job.id), "kind": "test.echo", "state": "queued", "attempts": 0, "progress": 0, "total": 3}
    assert found | expected == found
    assert "payload" not in found


async def test_jobs_are_listed_newest_first_in_pages(app: FastAPI, client: httpx.AsyncClient) -> None:
    ids = [str((await put(app, kind))[0].id) for kind in (echo, fails, echo)]
    first = (await client.get("/api/v1/jobs", params={"limit": 2})).json()
    second = (await client.get("/api/v1/jobs", params={"limit": 2, "after": first["next"]})).json()
    of_kind = (await client.get("/api/v1/jobs", params={"kind": "test.fails", "state": "queued"})).json()

    assert [[job["id"] for job in page["jobs"]] for page in (first, second, of_kind)] == [
        [ids[2], ids[1]],
        [ids[0]],
        [ids[1]],
    ]
    assert (second["next"], of_kind["next"]) == (None, None)


async def test_the_job_of_another_owner_is_not_found(app: FastAPI, client: httpx.AsyncClient) -> None:
    job, _ = await put(app, echo, owner="somebody")
    answers = [
        await client.get(f"/api/v1/jobs/{job.id}"),
        await client.delete(f"/api/v1/jobs/{job.id}"),
        await client.post(f"/api/v1/jobs/{job.id}/retry"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert (await client.get("/api/v1/jobs")).json()["jobs"] == []


async def test_a_waiting_job_is_cancelled_at_once_and_again(app: FastAPI, client: httpx.AsyncClient) -> None:
    job, _ = await put(app, echo)
    answers = [await client.delete(f"/api/v1/jobs/{job.id}") for _ in range(2)]

    assert [(answer.status_code, answer.json()["state"]) for answer in answers] == [(202, "cancelled")] * 2


@pytest.mark.parametrize("state", ["succeeded", "dead"])
async def test_a_job_that_has_ended_is_not_cancelled(app: FastAPI, client: httpx.AsyncClient, state: str) -> None:
    job, _ = await put(app, echo)
    await change(app, f"state = '{state}'")

    assert (await client.delete(f"/api/v1/jobs/{job.id}")).status_code == 409


async def test_only_a_dead_job_is_retried_and_has_all_its_attempts_again(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    job, _ = await put(app, echo)
    early = await client.post(f"/api/v1/jobs/{job.id}/retry")
    dead = "state = 'dead', attempts = 5, error_code = 'no_luck', cancel_requested_at = now(), finished_at = now()"
    await change(app, dead)
    retried = await client.post(f"/api/v1/jobs/{job.id}/retry")

    assert (early.status_code, retried.status_code) == (409, 202)
    assert retried.headers["location"] == f"/api/v1/jobs/{job.id}"
    found = retried.json()
    none = dict.fromkeys(("error_code", "cancel_requested_at", "finished_at"))
    expected = {"state": "queued", "attempts": 0, **none}
    assert found | expected == found
    assert await count(app, "SELECT count(*) FROM pgqueuer.pgqueuer") == 2


async def test_a_job_that_does_not_exist_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/api/v1/jobs/{NOBODY}")).status_code == 404
