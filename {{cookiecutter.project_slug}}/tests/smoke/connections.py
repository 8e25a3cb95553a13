"""Finds the clients that are connected to a worker, from the worker's sockets in /proc."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests.server.processes import Service


def client_ports(worker: int, service: Service) -> set[int]:
    """Return the client ports of the TCP connections to a worker, so that a test knows whose connections break."""
    sockets = set()
    for file in Path(f"/proc/{worker}/fd").iterdir():
        with suppress(FileNotFoundError):  # the worker has just closed this descriptor
            sockets.add(str(file.readlink()).removeprefix("socket:[").removesuffix("]"))
    own_port = urlsplit(service.url).port
    ports = set()
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        _, own, client, *_, inode = line.split()[:10]
        if inode in sockets and int(own.split(":")[1], 16) == own_port:
            ports.add(int(client.split(":")[1], 16))
    return ports - {0}  # the listening socket has the client port 0
