"""`python -m app.jobs` runs a worker until SIGTERM or Ctrl-C; after a lost database the worker starts anew."""

import asyncio
import signal
import sys
from contextlib import suppress

import structlog

from app.errors import CannotStart
from app.jobs.registry import load_kinds
from app.jobs.worker import Worker
from app.observability import logs
from app.settings.load import load_settings, log_fields
from app.settings.service import Settings

RESTART_SECONDS = 1.0
"""The pause before a worker starts anew whose database is away."""

log = structlog.get_logger("jobs")


async def serve(settings: Settings) -> None:
    """Run one worker after the other until a signal."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if sys.platform == "win32":  # its event loop has no handlers of signals
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        else:
            loop.add_signal_handler(number, stop.set)
    while not stop.is_set():
        try:
            await Worker(settings).run(stop)
        except CannotStart:
            raise
        except Exception as error:  # noqa: BLE001 - the queue raises what its driver raises
            log.warning("worker starts anew", error=repr(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RESTART_SECONDS)


def main() -> None:
    """Load the settings and all kinds of jobs, and run."""
    settings = load_settings(serving=True)
    logs.configure(level=settings.log_level, log_format=settings.log_format, fields=log_fields(settings))
    load_kinds()
    try:
        asyncio.run(serve(settings))
    except CannotStart as error:
        raise SystemExit(f"The worker cannot start: {error}") from None


if __name__ == "__main__":
    main()
