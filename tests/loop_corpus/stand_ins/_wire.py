"""A single request over a real socket, as a driver without async sends it."""

import socket


def ask(host: str, port: int, question: bytes = b"question\r\n") -> bytes:
    """Connect, send a request, and wait for the answer."""
    with socket.create_connection((host, port), timeout=2) as connection:
        connection.sendall(question)
        return connection.recv(100)
