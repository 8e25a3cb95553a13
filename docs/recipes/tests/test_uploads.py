"""Tests of uploads with rclone as the object storage: the recipe, and what the code of the tutorials does."""

import os
import secrets
import sys
from collections.abc import Generator
from pathlib import Path

import boto3
import httpx
import pytest
import uploads
from botocore.config import Config
from edges import LONG_STALL_SECONDS, Server, client_of, server, stall_while_frozen, tutorial

pytestmark = pytest.mark.anyio

CONTENT = b"x" * 3_000_000
KEY, SECRET = secrets.token_hex(8), secrets.token_hex(16)
RCLONE = Path(sys.executable).parent / "rclone"


@pytest.fixture(scope="module")
def storage_server() -> Generator[Server]:
    """Run an object storage that checks the signature of each request; each folder of the data is a bucket."""

    def command(port: int, folder: str) -> list[object]:
        Path(folder, "data/files").mkdir(parents=True)
        address, keys = f"--addr=127.0.0.1:{port}", f"--auth-key={KEY},{SECRET}"
        return [RCLONE, "serve", "s3", f"{folder}/data", "--config=", address, keys]

    with server(command) as running:
        yield running


@pytest.fixture(autouse=True)
def storage(storage_server: Server, monkeypatch: pytest.MonkeyPatch) -> Generator[Server]:
    """Yield the object storage, and set the environment variables that clients of the storage read."""
    variables = {"S3_BUCKET": "files", "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    monkeypatch.setenv("S3_URL", f"http://127.0.0.1:{storage_server.port}")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    yield storage_server
    storage_server.thaw()


def presign(
    operation: str = "put_object", version: str | None = "s3v4", *, signed_with: str = SECRET, seconds: int = 60
) -> str:
    """Sign a URL without limits on size or type, with a version of the signature or with the default version."""
    signer = boto3.client(
        "s3",
        endpoint_url=os.environ["S3_URL"],
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=signed_with,
        config=Config(signature_version=version),
    )
    asked = {"Bucket": "files", "Key": "picture"}
    return str(signer.generate_presigned_url(operation, asked, ExpiresIn=seconds))


async def test_the_client_sends_the_bytes_to_the_storage() -> None:
    async with client_of(uploads.app) as client, httpx.AsyncClient() as sender:
        begun = (await client.post("/uploads", json={"size": len(CONTENT)})).json()
        early = await client.post(f"/uploads/{begun['id']}/complete")
        sent = await sender.put(begun["url"], content=CONTENT)
        complete = await client.post(f"/uploads/{begun['id']}/complete")

    assert (early.status_code, sent.status_code, complete.json()) == (409, 200, len(CONTENT))


async def test_a_url_is_for_one_object_of_one_size() -> None:
    async with client_of(uploads.app) as client, httpx.AsyncClient() as sender:
        begun = (await client.post("/uploads", json={"size": 10})).json()
        larger = await sender.put(begun["url"], content=CONTENT)
        smaller = await sender.put(begun["url"], content=b"x" * 9)
        elsewhere = await sender.put(begun["url"].replace(begun["id"], "another"), content=b"x" * 10)
        fetched = await sender.get(begun["url"])
        announced = await sender.put(begun["url"], content=b"x" * 10)

    assert [answer.status_code for answer in (larger, smaller, elsewhere, fetched)] == [403] * 4
    assert announced.status_code == 200


def test_the_storage_refuses_what_was_not_signed_with_its_key_or_too_long_ago() -> None:
    guessed = httpx.put(presign(signed_with="a guess"), content=b"x")
    unsigned = httpx.put(presign().partition("?")[0], content=b"x")
    expired = httpx.put(presign(seconds=-1), content=b"x")

    assert [guessed.is_client_error, unsigned.is_client_error, expired.is_client_error] == [True] * 3


def test_a_url_of_the_tutorials_has_no_size_and_by_default_a_signature_of_version_2() -> None:
    any_size, old = httpx.put(presign(), content=CONTENT), presign(version=None)

    assert any_size.status_code == 200
    assert "X-Amz-Signature=" not in old
    assert "&Signature=" in old
    assert httpx.put(old, content=b"x").is_client_error


async def test_the_key_of_the_tutorials_lets_a_second_user_overwrite_the_object_of_the_first() -> None:
    async with client_of(tutorial("uploads").app) as client, httpx.AsyncClient() as reader:
        for content in (b"of Alice", b"of Bob"):
            assert (await client.post("/uploads", files={"file": ("picture", content)})).status_code == 200
        found = await reader.get(presign("get_object"))

    assert found.content == b"of Bob"


async def test_the_tutorial_stops_the_loop_while_the_storage_is_frozen(storage: Server) -> None:
    stalls = {}
    for name, app in (("ours", uploads.app), ("theirs", tutorial("uploads").app)):
        async with client_of(app) as client:
            begun = (await client.post("/uploads", json={"size": 5})) if name == "ours" else None
            if begun:
                work = client.post(f"/uploads/{begun.json()['id']}/complete")
            else:
                work = client.post("/uploads", files={"file": ("picture", b"hello")})
            stalls[name] = await stall_while_frozen(storage, work)

    assert stalls["ours"] < LONG_STALL_SECONDS <= stalls["theirs"]
