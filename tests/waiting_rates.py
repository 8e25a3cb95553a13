"""A stub of the downstream `rates` that answers only when a test allows the response."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Semaphore, Thread

SECONDS = 60
"""The longest wait of a test or a request, in seconds: more than ten times what a busy machine needs."""


class WaitingRates(ThreadingHTTPServer):
    """A server on a free port of 127.0.0.1 that counts each request, and waits before each response."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Rate)
        self.asked, self.allowed = Semaphore(0), Semaphore(0)

    @property
    def address(self) -> str:
        """The base URL of the stub downstream."""
        return f"http://127.0.0.1:{self.server_port}"

    def wait_for(self, requests: int) -> None:
        """Wait until the stub has received this number of requests."""
        for number in range(requests):
            assert self.asked.acquire(timeout=SECONDS), f"{number} of {requests} requests arrived"

    def answer(self, requests: int) -> None:
        """Let the stub answer this number of waiting requests."""
        self.allowed.release(requests)


class _Rate(BaseHTTPRequestHandler):
    server: WaitingRates

    def do_GET(self) -> None:
        """Answer with a rate, once the test allows the response."""
        self.server.asked.release()
        self.server.allowed.acquire(timeout=SECONDS)
        body = b'{"rate": "0.92"}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Override the server's log, so that no request is printed."""


@contextmanager
def waiting_rates() -> Iterator[WaitingRates]:
    """Run the stub downstream until the block ends."""
    with WaitingRates() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.allowed.release(100)
            server.shutdown()
            thread.join()
