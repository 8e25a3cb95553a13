"""Uploads: the recipe, and what the lines of the tutorials do, with a stub of an object storage."""

import sys
import threading
from collections.abc import Generator

import httpx
import pytest
import uploads
from edges import Server, client_of, longest_stall, server, tutorial

pytestmark = pytest.mark.anyio

CONTENT = b"x" * 3_000_000


@pytest.fixture(scope="module")
def storage_server() -> Generator[Server]:
    """Run the stub of an object storage in a process of its own."""
    with server(lambda port, _folder: [sys.executable, "-m", "uvicorn", "storage_stub:app", "--port", port]) as running:
        yield running


@pytest.fixture
def storage(storage_server: Server, monkeypatch: pytest.MonkeyPatch) -> Generator[Server]:
    """Yield the storage, and set the variables of its clients."""
    variables = {"S3_BUCKET": "files", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    monkeypatch.setenv("S3_URL", f"http://127.0.0.1:{storage_server.port}")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    yield storage_server
    storage_server.thaw()


@pytest.mark.usefixtures("storage")
async def test_the_client_sends_the_bytes_to_the_storage() -> None:
    async with client_of(uploads.app) as client, httpx.AsyncClient() as sender:
        begun = (await client.post("/uploads", json={"size": len(CONTENT)})).json()
        early = await client.post(f"/uploads/{begun['id']}/complete")
        sent = await sender.put(begun["url"], content=CONTENT)
        complete = await client.post(f"/uploads/{begun['id']}/complete")

    assert (early.status_code, sent.status_code, complete.json()) == (409, 200, len(CONTENT))


@pytest.mark.usefixtures("storage")
async def test_a_url_is_for_one_object_of_one_size() -> None:
    async with client_of(uploads.app) as client, httpx.AsyncClient() as sender:
        begun = (await client.post("/uploads", json={"size": 10})).json()
        larger = await sender.put(begun["url"], content=CONTENT)
        elsewhere = await sender.put(begun["url"].replace(begun["id"], "another"), content=b"x" * 10)
        fetched = await sender.get(begun["url"])

    assert [larger.status_code, elsewhere.status_code, fetched.status_code] == [403, 403, 403]


async def test_the_tutorial_stops_the_loop_while_the_storage_is_frozen(storage: Server) -> None:
    stalls = {}
    for name, app in (("ours", uploads.app), ("theirs", tutorial("uploads").app)):
        async with client_of(app) as client:
            begun = (await client.post("/uploads", json={"size": 5})) if name == "ours" else None
            storage.freeze()
            timer = threading.Timer(1.0, storage.thaw)
            timer.start()
            if begun:
                work = client.post(f"/uploads/{begun.json()['id']}/complete")
            else:
                work = client.post("/uploads", files={"file": ("picture", b"hello")})
            stalls[name] = await longest_stall(work)
            timer.join()

    assert stalls["theirs"] >= 0.8
    assert stalls["ours"] < 0.5
