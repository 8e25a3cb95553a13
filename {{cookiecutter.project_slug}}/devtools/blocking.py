"""A step of `make lint`: finds calls that block the event loop, even inside called functions and libraries.

The linter hydroid finds the calls, as `pyproject.toml` configures it. It is a compiled program, which some platforms
lack.
"""

import shutil
import subprocess
import sys
from pathlib import Path

CLEAN, NOT_EXECUTABLE, NOT_FOUND = 0, 126, 127
"""Exit codes: 0 means that no blocking call was found; shells exit with 126 or 127 for a program that cannot run."""

ADVICE = {
    "use an async client (`httpx.AsyncClient`, `aiohttp`)": "call other services through `app/downstreams/`",
    "`asyncpg`, SQLAlchemy `AsyncSession`": "the sessions of `app/dependencies.py`",
    "run it with `await asyncio.to_thread(...)` or in a process pool": "hand it to a worker process",
    "run the call with `await asyncio.to_thread(...)`": "hand the call to `OffloadDep`'s `blocking`",
    "`await asyncio.to_thread(...)`": "hand the call to `OffloadDep`'s `blocking`",
}
"""Replacements for advice of the linter hydroid, which recommends HTTP clients and threads without limits."""

ABSENT = "hydroid does not run on this platform: only ruff and the tests check for calls that block the event loop."


def main(programs: Path) -> int:
    """Run the linter hydroid from the folder `programs`, and return its exit code; 0 on a platform without hydroid."""
    program = shutil.which("hydroid", path=str(programs))
    command = [program or "", ".", "--no-cache", "--python", sys.prefix]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", errors="replace", check=False)
    except OSError:
        done = None
    if done is None or done.returncode in {NOT_EXECUTABLE, NOT_FOUND}:
        print(ABSENT)
        return CLEAN
    report = done.stdout
    for foreign, own in ADVICE.items():
        report = report.replace(foreign, own)
    print(report, end="")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.executable).parent))
