"""Functions that tests run in a worker process, which imports this file, so imports stay few."""

import os
import signal
import threading
import time


def compute(seconds: float) -> int:
    """Keep a CPU busy for `seconds` without a pause, and return the id of the process that did the work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return os.getpid()


def die() -> None:
    """Kill the worker process from inside with SIGKILL, as the kernel does to a process that needs too much memory."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def fail() -> None:
    """Raise a TimeoutError, which the caller must tell apart from a timeout of the offloading itself."""
    raise TimeoutError("its own")


class TwoArguments(Exception):
    """An exception that is pickled and cannot be unpickled: `Exception.args` has one argument, `__init__` takes two."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


class HasLock(Exception):
    """An exception that cannot be pickled, because an attribute cannot."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


def fail_with_two_arguments() -> None:
    """Raise an exception whose class takes two arguments."""
    raise TwoArguments("stock", "no answer")


def fail_with_a_lock() -> None:
    """Raise an exception that holds a lock."""
    raise HasLock("its text")


def return_a_lock() -> object:
    """Return an object that no pipe can carry."""
    return threading.Lock()


class BrokenCopy:
    """An argument or a result whose copy cannot be made in the other process."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Return a function that raises where the object is unpickled, an OSError like a broken pipe."""
        return open, ("/nowhere/at/all",)


def take(_value: object) -> None:
    """Take an argument that the worker process may fail to unpickle."""


def return_a_broken_copy() -> object:
    """Return an object that the service fails to unpickle."""
    return BrokenCopy()
