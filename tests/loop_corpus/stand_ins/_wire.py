"""Sends a single request over a real socket, as a database driver without async does."""

import socket


def ask(host: str, port: int, question: bytes = b"question\r\n") -> bytes:
    """Connect to the server, send a request, and wait for the answer."""
    with socket.create_connection((host, port), timeout=2) as connection:
        connection.sendall(question)
        return connection.recv(100)
