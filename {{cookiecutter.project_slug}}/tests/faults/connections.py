"""Who is connected to a worker, read from /proc."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests.server.processes import Service


def clients_of(worker: int, service: Service) -> set[int]:
    """Return the ports of those who are connected to it."""
    sockets = set()
    for file in Path(f"/proc/{worker}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            sockets.add(str(file.readlink()).removeprefix("socket:[").removesuffix("]"))
    own_port = urlsplit(service.url).port
    ports = set()
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        _, own, client, *_, inode = line.split()[:10]
        if inode in sockets and int(own.split(":")[1], 16) == own_port:
            ports.add(int(client.split(":")[1], 16))
    return ports - {0}  # that of the socket which listens
