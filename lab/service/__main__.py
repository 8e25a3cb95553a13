"""Serves the lab's routes until standard input ends: `python -m lab.service [--database] [--downstream URL]`.

The port is free. The parent process holds the other end of that input, so the service ends with its parent, even with a
killed parent.
"""

import argparse
import os
import socket
import sys
import threading
from contextlib import ExitStack

import uvicorn

from devtools.postgres import test_server as throwaway_server
from lab.service.app import build_app


def end_with_the_input(server: uvicorn.Server) -> None:
    """Stop the server when standard input ends.

    The file descriptor is read, because a lock of `sys.stdin` would block the exit.
    """
    while os.read(sys.stdin.fileno(), 1):
        pass
    server.should_exit = True


def serve(*, database: bool, downstream: str) -> None:
    """Serve the lab's routes, with a throwaway PostgreSQL if asked for; the first line of output has the address."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = stack.enter_context(throwaway_server()) if database else None
        server = uvicorn.Server(uvicorn.Config(build_app(url, downstream), log_level="warning", access_log=False))
        threading.Thread(target=end_with_the_input, args=(server,), daemon=True).start()
        print(f"ready http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        server.run(sockets=[listener])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", action="store_true")
    parser.add_argument("--downstream", default="")
    chosen = parser.parse_args()
    serve(database=chosen.database, downstream=chosen.downstream)
