"""A server on this machine that answers late, for cases of blocking code that wait for a server."""

import contextlib
import os
import socketserver
import threading
import time
from collections.abc import Iterator

HOST = "127.0.0.1"
PORT = int(os.environ.get("SLOW_PORT", "0"))
URL = f"http://{HOST}:{PORT}/"

SECONDS = 0.2
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Late(socketserver.BaseRequestHandler):
    """Reads the client's first bytes, waits, answers, and closes the connection."""

    def handle(self) -> None:
        """Serve a connection of a client."""
        with contextlib.suppress(OSError):
            self.request.settimeout(1)
            self.request.recv(65536)
            time.sleep(SECONDS)
            self.request.sendall(ANSWER)


class Server(socketserver.ThreadingTCPServer):
    """A server with one thread per connection; these threads do not keep the program alive."""

    daemon_threads = True
    allow_reuse_address = True


@contextlib.contextmanager
def serving() -> Iterator[None]:
    """Run the slow server until the block ends."""
    with Server((HOST, PORT), Late) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()
