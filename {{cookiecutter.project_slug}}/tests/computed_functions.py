"""Functions that tests run in a worker process; the process imports this file, so its imports stay few."""

import os
import signal
import threading
import time


def compute(seconds: float) -> int:
    """Compute without a pause for `seconds`, and return the id of the process that did the work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return os.getpid()


def die() -> None:
    """Kill the current worker process with SIGKILL, as the kernel does when memory runs out."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def fail() -> None:
    """Raise a TimeoutError, which the caller of `offload` must tell apart from a timeout of the offload itself."""
    raise TimeoutError("its own")


class TwoArguments(Exception):
    """An exception that pickles but cannot be unpickled: `Exception.args` has one argument, `__init__` takes two."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


class HasLock(Exception):
    """An exception that cannot be pickled, because one of its attributes is a lock."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


def fail_with_two_arguments() -> None:
    """Raise an exception that cannot be unpickled, as its class takes two arguments."""
    raise TwoArguments("stock", "no answer")


def fail_with_a_lock() -> None:
    """Raise an exception that cannot be pickled, as it holds a lock."""
    raise HasLock("its text")


def return_a_lock() -> object:
    """Return a lock, which cannot be pickled."""
    return threading.Lock()


class BrokenCopy:
    """An object that can be pickled and sent to a different process, but cannot be unpickled there."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Make unpickling raise an OSError, like a broken pipe."""
        return open, ("/nowhere/at/all",)


def take(_value: object) -> None:
    """Take an argument that the worker process may be unable to unpickle."""


def return_a_broken_copy() -> object:
    """Return an object that the service cannot unpickle."""
    return BrokenCopy()
