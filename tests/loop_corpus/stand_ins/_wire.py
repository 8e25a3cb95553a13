"""One question over a real socket, as a driver without async asks it."""

import socket


def ask(host: str, port: int, question: bytes = b"question\r\n") -> bytes:
    """Connect, ask, and wait for the answer."""
    with socket.create_connection((host, port), timeout=2) as connection:
        connection.sendall(question)
        return connection.recv(100)
