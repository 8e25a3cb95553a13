"""Computing in worker processes: each process has a separate GIL, and a process that dies fails only one caller."""

import asyncio
import os

from app.errors import Unavailable
from app.work.processes import Processes


async def main() -> None:
    processes = Processes(processes=1, timeout_seconds=60)
    try:
        assert await processes.run(sum, range(1_000_000)) == 499_999_500_000
        assert await processes.run(os.getpid) != os.getpid()
        try:
            await processes.run(os._exit, 1)
            raise AssertionError("the process lives")
        except Unavailable as error:
            assert "ended" in str(error)
        assert await processes.run(sum, range(1000)) == 499_500
    finally:
        await processes.close()


if __name__ == "__main__":
    asyncio.run(main())
