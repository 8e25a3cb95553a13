"""The listener of a worker: accepts a connection only while the worker has room for the connection.

asyncio's own server accepts every connection, until the open files are used up. A connection that is not accepted stays
in the kernel's queue, where a different worker may accept it.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable

import structlog

from app.server.balance import WorkerCount

PAUSE_SECONDS = 0.05
"""How long, in seconds, a listener pauses while the worker has no room for a connection. The pause is short, because a
connection becomes idle, and may be closed to make room, after each response."""

YIELD_SECONDS = 0.001
"""How long, in seconds, a listener pauses after leaving a connection to a different worker: the shortest timer of the
event loop."""

log = structlog.get_logger("listener")


class Listener:
    """A listening socket of a worker; has the methods of an asyncio server that uvicorn calls."""

    def __init__(
        self,
        listening: socket.socket,
        admit: Callable[[], Callable[[], asyncio.Protocol] | None],
        tls: ssl.SSLContext | None,
        balance: WorkerCount,
        count: Callable[[], int],
    ) -> None:
        """Begin to accept connections.

        Args:
            listening: a socket that listens, and does not block.
            admit: returns a factory for the protocol of one more connection, or None while the worker has no room.
            tls: the TLS context of all connections.
            balance: this worker's count of connections, which the other workers see; tells when to leave a connection
                to a different worker.
            count: returns the open connections of this worker.
        """
        self._loop = asyncio.get_running_loop()
        self._listening, self._admit, self._tls = listening, admit, tls
        self._balance, self._count = balance, count
        self._file = listening.fileno()  # the descriptor is kept for `close`, as uvicorn may close the socket earlier
        self._connecting: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        balance.join()
        self._resume()

    def close(self) -> None:
        """Stop accepting connections; a second call has no effect, as uvicorn closes listeners twice."""
        if self._pause:
            self._pause.cancel()
        self._loop.remove_reader(self._file)
        self._balance.leave()

    async def wait_closed(self) -> None:
        """Wait until each accepted connection has been handed to an HTTP protocol."""
        await asyncio.gather(*self._connecting)

    def _resume(self) -> None:
        self._loop.add_reader(self._file, self._accept)

    def _pause_for(self, seconds: float) -> None:
        self._loop.remove_reader(self._file)
        self._pause = self._loop.call_later(seconds, self._resume)

    def _accept(self) -> None:
        if self._balance.yields(self._count() + len(self._connecting), self._loop.time()):
            self._pause_for(YIELD_SECONDS)
            return
        make_protocol = self._admit()
        if make_protocol is None:
            self._pause_for(PAUSE_SECONDS)
            return
        accepted = accept_waiting(self._listening)
        if accepted is None:
            self._balance.lost_race()
        else:
            connecting = self._loop.create_task(self._connect(accepted, make_protocol))
            self._connecting.add(connecting)
            connecting.add_done_callback(self._connecting.discard)

    async def _connect(self, accepted: socket.socket, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        try:
            await self._loop.connect_accepted_socket(make_protocol, accepted, ssl=self._tls)
        except OSError as error:
            log.info("connection lost before its first byte", error=str(error))
            accepted.close()


def accept_waiting(listening: socket.socket) -> socket.socket | None:
    """Accept a connection from the kernel's queue; None if a different worker was faster, or the client has left."""
    try:
        accepted, _ = listening.accept()
    except (BlockingIOError, ConnectionError):
        return None
    accepted.setblocking(False)
    return accepted
