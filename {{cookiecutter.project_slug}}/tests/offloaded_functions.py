"""Functions that tests offload to a thread."""

import threading


class BlockingCall:
    """A blocking function for offload tests: a call sets the event `running`, and waits for the event `end`."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.end = threading.Event()

    def __call__(self) -> None:
        """Block the thread until the test sets the event `end`, for at most 30 seconds."""
        self.running.set()
        self.end.wait(timeout=30)

    def then_fail(self) -> None:
        """Block the thread until the test sets the event `end`, then raise a TimeoutError."""
        self()
        fail()


def fail() -> None:
    """Raise a TimeoutError, which the caller of `offload` must tell apart from a timeout of the offload itself."""
    raise TimeoutError("its own")
