"""`python -m app.jobs` runs a job worker until SIGTERM or Ctrl-C, and restarts the worker after a lost connection."""

import os
import signal
import sys

if __name__ == "__main__":
    # Without a handler, a container's process 1 would ignore a signal while it imports, and run on until SIGKILL. The
    # handler calls `os._exit`, as an import may swallow the exception that `sys.exit` raises.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))

# isort: split
import asyncio
from contextlib import suppress

import structlog

from app.errors import CannotStart
from app.jobs.registry import load_kinds
from app.jobs.worker import Worker
from app.observability import logs
from app.settings.load import load_settings, log_fields
from app.settings.service import Settings

RESTART_SECONDS = 1.0
"""The pause, in seconds, before a job worker that failed, as on an unreachable database, is started again."""

log = structlog.get_logger("jobs")


async def serve(settings: Settings) -> None:
    """Run a job worker until a signal; after an error, such as a lost database connection, start a new worker."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if sys.platform == "win32":  # the event loop of Windows has no signal handlers
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        else:
            loop.add_signal_handler(number, stop.set)
    while not stop.is_set():
        try:
            await Worker(settings).run(stop)
        except CannotStart:
            raise
        except Exception as error:  # noqa: BLE001 - pgqueuer passes on any error of its driver
            log.warning("job worker restarts after an error", error=repr(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RESTART_SECONDS)


def main() -> None:
    """Load the settings, register all kinds of jobs, and run a job worker."""
    settings = load_settings(serving=True)
    logs.configure(level=settings.log_level, log_format=settings.log_format, fields=log_fields(settings))
    load_kinds()
    try:
        asyncio.run(serve(settings))
    except CannotStart as error:
        raise SystemExit(f"The worker cannot start: {error}") from None


if __name__ == "__main__":
    main()
