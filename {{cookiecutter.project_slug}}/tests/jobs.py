"""What tests hand to a thread or another process; the latter imports this file, so it imports little."""

import os
import signal
import threading
import time


class Stuck:
    """A call that blocks until the test ends it, and tells when it runs."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.end = threading.Event()

    def __call__(self) -> None:
        """Block."""
        self.running.set()
        self.end.wait(timeout=30)

    def then_fail(self) -> None:
        """Block, and fail at the end."""
        self()
        fail()


def compute(seconds: float) -> int:
    """Hold the GIL for so long, and tell in which process."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return os.getpid()


def die() -> None:
    """End as the kernel ends a process that needs too much memory."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def fail() -> None:
    """Fail as a function does."""
    raise TimeoutError("its own")
