"""The main loop of a worker process, which imports nothing of the service, so that a worker process starts fast."""

import faulthandler
import pickle
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

ORPHAN_SECONDS = 1.0
"""The seconds after the timeout of a call at which a worker process exits by itself. The service kills the process at
the timeout, so if the process still runs then, the service itself has been killed."""


class CallFailed(Exception):
    """Replaces an exception of a worker process that cannot be pickled; has the class and message as text."""


def serve(pipe: Connection) -> None:
    """Run the calls that arrive on the pipe of a worker process, until the service closes the pipe or ends."""
    # Ctrl-C and systemd send these signals to all processes, but only the service may end a worker process.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        pipe.send(None)
        while True:
            pipe.send_bytes(_answer(pipe.recv_bytes()))


def _answer(message: bytes) -> bytes:
    """Run the call in a pickled message; return the pickled outcome: failed or not, and the exception or the result.

    Arguments that cannot be unpickled here, and a result that cannot be pickled, count as failures of the call. If they
    ended the process instead, the caller would be told to try again.
    """
    try:
        work = pickle.loads(message)  # noqa: S301 - the pickle comes from the service
        return pickle.dumps(None if work is None else (False, _result(*work)))
    except Exception as error:  # noqa: BLE001 - `WorkerProcess.call` raises the exception again in the service
        return _pickled(error)


def _result(seconds: float, function: Callable[[*Ts], T], args: tuple[*Ts]) -> T:
    """Call the function; `faulthandler`, which needs no GIL, ends the process at `ORPHAN_SECONDS` after the timeout."""
    faulthandler.dump_traceback_later(seconds + ORPHAN_SECONDS, exit=True)
    try:
        return function(*args)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _pickled(error: Exception) -> bytes:
    """Pickle an exception with the traceback as a note; `CallFailed` replaces an exception that is not picklable."""
    name, note = traceback.format_exception_only(error)[0].strip(), f"In the worker process:\n{traceback.format_exc()}"
    try:
        error.add_note(note)
        answer = pickle.dumps((True, error))
        pickle.loads(answer)  # noqa: S301 - raises if `__init__` takes other arguments than `Exception.args`
    except Exception:  # noqa: BLE001 - unpickling runs code of the exception's class
        failed = CallFailed(name)
        failed.add_note(note)
        answer = pickle.dumps((True, failed))
    return answer
