"""Cases that block on files: the event loop waits for the disk, or for the other end of a pipe."""

import csv
import gzip
import json
import os
import pathlib
import shutil
import tempfile
import threading
import zipfile
from typing import IO

from fastapi import APIRouter

router = APIRouter()

FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="loop-corpus-"))
LARGE = b"a line of a log\n" * 500_000
(FOLDER / "log").write_bytes(LARGE)


@router.get("/open_and_read")
async def open_and_read() -> int:
    with open(FOLDER / "log", "rb") as file:
        return len(file.read())


@router.get("/a_path_written")
async def a_path_written() -> int:
    return (FOLDER / "written").write_bytes(LARGE)


@router.get("/the_disk_awaited")
async def the_disk_awaited() -> None:
    descriptor = os.open(FOLDER / "synced", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, LARGE)
    os.fsync(descriptor)
    os.close(descriptor)


@router.get("/a_file_copied")
async def a_file_copied() -> None:
    shutil.copyfile(FOLDER / "log", FOLDER / "copied")


def append_row(file: IO[str], row: list[str]) -> None:
    csv.writer(file).writerows([row] * 100_000)


@router.get("/rows_written_by_a_library")
async def rows_written_by_a_library() -> None:
    with (FOLDER / "rows").open("w") as file:
        append_row(file, ["1", "2"])


@router.get("/a_file_read_line_by_line")
async def a_file_read_line_by_line() -> int:
    length = 0
    for _day in range(40):
        with (FOLDER / "log").open() as file:
            length += sum(len(line) for line in file)
    return length


@router.get("/a_configuration_read_on_each_request")
async def a_configuration_read_on_each_request() -> int:
    (FOLDER / "settings").write_text('{"limit": 3}')
    return json.loads((FOLDER / "settings").read_text())["limit"]


@router.get("/an_archive_packed")
async def an_archive_packed() -> None:
    with zipfile.ZipFile(FOLDER / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log", os.urandom(8_000_000))


@router.get("/a_compressed_file_written")
async def a_compressed_file_written() -> None:
    with gzip.open(FOLDER / "log.gz", "wb") as file:
        file.write(os.urandom(8_000_000))


@router.get("/a_pipe_read")
async def a_pipe_read() -> bytes:
    reading, writing = os.pipe()
    threading.Timer(0.2, os.write, (writing, b"late")).start()
    try:
        return os.read(reading, 10)
    finally:
        os.close(reading)


@router.get("/a_tree_walked")
async def a_tree_walked() -> int:
    return sum(1 for _ in (pathlib.Path(os.__file__).parent / "asyncio").rglob("*.py"))
