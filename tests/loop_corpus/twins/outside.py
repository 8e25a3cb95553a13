"""Correct twins that use programs, the network and files without blocking the event loop."""

import asyncio
import pathlib
import subprocess
import tempfile

import anyio
from fastapi import APIRouter

from app.downstreams.client import httpx
from app.loop_corpus.slow import HOST, PORT, URL

router = APIRouter()

FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="loop-corpus-"))
LARGE = b"a line of a log\n" * 500_000

client = httpx.AsyncClient(trust_env=False)


@router.get("/an_async_client")
async def an_async_client() -> int:
    return (await client.get(URL)).status_code


@router.get("/streams")
async def streams() -> int:
    reader, writer = await asyncio.open_connection(HOST, PORT)
    writer.write(b"hello")
    answer = await reader.read(100)
    writer.close()
    await writer.wait_closed()
    return len(answer)


@router.get("/an_address_looked_up_by_the_loop")
async def an_address_looked_up_by_the_loop() -> int:
    return len(await asyncio.get_running_loop().getaddrinfo("localhost", 80))


@router.get("/an_async_program")
async def an_async_program() -> bytes:
    process = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.1; echo done", stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output


def convert() -> int:
    return subprocess.run(["sleep", "0.1"], check=False).returncode


@router.get("/a_program_in_a_thread")
async def a_program_in_a_thread() -> int:
    return await asyncio.to_thread(convert)


@router.get("/an_async_path")
async def an_async_path() -> int:
    path = anyio.Path(FOLDER / "path")
    await path.write_bytes(LARGE)
    return len(await path.read_bytes())


@router.get("/an_async_file")
async def an_async_file() -> None:
    async with await anyio.open_file(FOLDER / "file", "wb") as file:
        await file.write(LARGE)


def save(path: pathlib.Path) -> int:
    return path.write_bytes(LARGE)


@router.get("/a_file_written_in_a_thread")
async def a_file_written_in_a_thread() -> int:
    return await asyncio.get_running_loop().run_in_executor(None, save, FOLDER / "saved")


@router.get("/a_download_without_async")
def a_download_without_async() -> int:
    return save(FOLDER / "download")
