"""The other end of `processes.py`'s pipe. Its process imports this file, so it imports nothing of the service."""

import faulthandler
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

ORPHAN_SECONDS = 1.0
"""After the time limit the process ends itself: the service is gone, or would have killed it."""


def serve(pipe: Connection) -> None:
    """Run calls until the service closes its end of the pipe, which its death does too."""
    for name in (signal.SIGINT, signal.SIGTERM):  # Ctrl-C and systemd reach all processes; the service ends this one
        signal.signal(name, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        pipe.send(None)
        while True:
            work = pipe.recv()
            pipe.send(None if work is None else _outcome(*work))


def _outcome(seconds: float, function: Callable[[*Ts], T], args: tuple[*Ts]) -> tuple[bool, T | Exception]:
    """Call the function; end the process some time after its limit. The standard library's watchdog needs no GIL."""
    faulthandler.dump_traceback_later(seconds + ORPHAN_SECONDS, exit=True)
    try:
        return False, function(*args)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's
        error.add_note(f"In the process that worked on this:\n{traceback.format_exc()}")
        return True, error
    finally:
        faulthandler.cancel_dump_traceback_later()
