"""Cases that block by waiting for other programs and processes without async."""

import asyncio
import os
import subprocess
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from fastapi import APIRouter

router = APIRouter()

COMMAND = ["sleep", "0.2"]


@router.get("/subprocess_run")
async def subprocess_run() -> int:
    return subprocess.run(COMMAND, check=False).returncode


class Converter:
    def convert(self) -> bytes:
        return subprocess.check_output(COMMAND)


@router.get("/a_converter_in_a_class")
async def a_converter_in_a_class() -> bytes:
    return Converter().convert()


@router.get("/a_process_waited_for")
async def a_process_waited_for() -> int:
    with subprocess.Popen(COMMAND) as process:
        return process.wait()


@router.get("/a_process_talked_to")
async def a_process_talked_to() -> bytes:
    with subprocess.Popen(["sh", "-c", "sleep 0.2; echo done"], stdout=subprocess.PIPE) as process:
        return process.communicate()[0]


@router.get("/os_system")
async def os_system() -> int:
    return os.system("sleep 0.5")


@router.get("/os_popen")
async def os_popen() -> str:
    return os.popen("sleep 0.2; echo done").read()


@router.get("/the_end_of_a_child")
async def the_end_of_a_child() -> int:
    child = os.posix_spawn("/bin/sh", ["sh", "-c", "sleep 0.5"], dict(os.environ))
    return os.waitpid(child, 0)[1]


@router.get("/the_output_of_an_async_program_read_without_async")
async def the_output_of_an_async_program_read_without_async() -> bytes:
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.2; echo done", stdout=writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as output:
        text = output.read()
    await process.wait()
    return text


@router.get("/a_worker_process_joined")
async def a_worker_process_joined() -> None:
    worker = get_context("fork").Process(target=os.system, args=("sleep 0.5",))
    worker.start()
    worker.join()


@router.get("/the_result_of_a_process_pool")
async def the_result_of_a_process_pool() -> int:
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(os.system, "sleep 0.2").result()
