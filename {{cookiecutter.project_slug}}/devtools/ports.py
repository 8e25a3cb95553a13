"""Ports of 127.0.0.1: which are free, and where something listens."""

import socket


def listens(port: int) -> bool:
    """Tell whether anything accepts connections."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def is_free(port: int) -> bool:
    """Tell whether a server could listen."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def free_port(wanted: int = 0) -> int:
    """Return `wanted` if it is free, else any free port."""
    if wanted and is_free(wanted):
        return wanted
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
