"""Read-ahead: a request takes a slot in the bulkhead of the route group only when the body has arrived.

Otherwise a client that announces a body and sends one byte would hold a slot until the deadline, and a hundred such
clients would hold all slots of a route group. A request with a large body takes its slot after the first 64 kB, and the
client must send the rest of the body at MIN_BYTES_PER_SECOND or faster.
"""

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import Unavailable
from app.limits.bulkhead import Bulkhead
from app.web.body_limit import is_json
from app.web.json_values import has_more_values
from app.web.lingering_close import body_length
from app.web.problem import problem_response

FIRST_BYTES = 65_536
"""The part of a request body, in bytes, that is always read before the request takes a slot in the bulkhead."""

WHOLE_BYTES = 8 * 1024 * 1024
"""The largest body, in bytes, that is read whole before the request takes a slot in the bulkhead. While all bodies that
were read ahead take `max_bytes` of memory together, only FIRST_BYTES of a body are read."""

PATIENCE_SECONDS = 3.0
"""How long, in seconds, a client may pause in the middle of a body; a lost packet on a mobile network costs one or two
seconds."""

MIN_BYTES_PER_SECOND = 16_384
"""The least rate at which a request body must arrive. A slower client uses up its PATIENCE_SECONDS of waiting time, and
gets 408; a faster client gets waiting time back."""

FULL = 503, "Too many bodies are being received. Try again.", {"Retry-After": "1"}
INCOMPLETE = 400, "The body did not arrive whole."
LATE = 408, "The body came too slowly."


class ReadAhead:
    """ASGI middleware that holds a request back until the body, or at least its first 64 kB, has arrived.

    The bulkhead `bodies` bounds the bodies that are being received. When it is full, the oldest body is refused to make
    room: a normal body arrives in milliseconds, so the oldest body is from a slow client. Slow clients therefore cannot
    keep all other clients out.
    """

    def __init__(self, app: ASGIApp, bodies: Bulkhead, max_bytes: int, max_json_values: int) -> None:
        """Wrap an application.

        Args:
            app: the application.
            bodies: bounds the bodies that this worker receives at the same time.
            max_bytes: the memory for all bodies that were read ahead; beyond it, at most 64 kB of a body are read.
            max_json_values: the most values in a JSON body, which is always read whole.
        """
        self.app = app
        self.bodies = bodies
        self.max_bytes = max_bytes
        self.max_json_values = max_json_values
        self._bodies: set[_Body] = set()
        self._on_their_way: dict[_Body, None] = {}  # the bodies that are being received, the oldest first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request after the body has arrived; answer 408 to a slow body, 503 when too many bodies arrive."""
        if scope["type"] != "http" or body_length(scope) == 0:
            await self.app(scope, receive, send)
            return
        body = _Body(receive)
        self._bodies.add(body)
        try:
            await self._read(body, whole=is_json(scope))
        except HTTPException as refused:
            refusal = problem_response(refused.status_code, refused.detail, headers=refused.headers)
            await refusal(scope, receive, send)
        else:
            await self.app(scope, body.receive, send)
        finally:
            self._bodies.discard(body)

    async def _read(self, body: "_Body", *, whole: bool) -> None:
        """Read a body ahead: at least FIRST_BYTES, all of a JSON body, else up to WHOLE_BYTES if memory allows."""
        await self._enter()
        self._on_their_way[body] = None
        try:
            while body.more and self._reads_on(len(body.held), whole=whole):
                message = await body.next_message()
                if message["type"] == "http.disconnect":
                    raise HTTPException(*INCOMPLETE)
                body.held += message.get("body", b"")
        finally:
            self._on_their_way.pop(body, None)
            self.bodies.leave()
        if whole and has_more_values(body.held, self.max_json_values):
            raise HTTPException(422, f"A JSON body may have at most {self.max_json_values} values.")

    async def _enter(self) -> None:
        if self.bodies.try_enter():
            return
        oldest = next(iter(self._on_their_way), None)
        if oldest is not None:
            del self._on_their_way[oldest]  # remove the refused body, so that the next request refuses a different body
            oldest.cut_off()
        try:
            await self.bodies.enter()
        except Unavailable:
            raise HTTPException(*FULL) from None

    def _reads_on(self, size: int, *, whole: bool) -> bool:
        """Tell whether to read more of a body ahead; answer 503 to a JSON body for which no memory is left."""
        if size < FIRST_BYTES:
            return True
        has_memory = sum(len(body.held) for body in self._bodies) < self.max_bytes
        if whole and not has_memory:
            raise HTTPException(*FULL)
        return has_memory and (whole or size < WHOLE_BYTES)


class _Body:
    """The body of one request: keeps the part that was read ahead, and refuses a body that arrives too slowly."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._patience = PATIENCE_SECONDS
        self._clock: asyncio.Timeout | None = None
        self._is_cut_off = self._is_replayed = False
        self.held = bytearray()
        self.more = True  # whether a part of the body is still to arrive

    async def receive(self) -> Message:
        """Return the part of the body that was read ahead, then the rest: the `receive` of the inner application."""
        if self._is_replayed:
            return await self.next_message()
        self._is_replayed = True
        held, self.held = bytes(self.held), bytearray()
        return {"type": "http.request", "body": held, "more_body": self.more}

    async def next_message(self) -> Message:
        """Return the next message from the client; while the body is incomplete, wait only PATIENCE_SECONDS."""
        if not self.more:
            return await self._receive()
        now = asyncio.get_running_loop().time
        began = now()
        try:
            async with asyncio.timeout(self._patience) as self._clock:
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(*(FULL if self._is_cut_off else LATE)) from None
        gained = len(message.get("body", b"")) / MIN_BYTES_PER_SECOND
        self._patience = min(PATIENCE_SECONDS, self._patience - (now() - began) + gained)
        self.more = message.get("more_body", False)
        return message

    def cut_off(self) -> None:
        """Stop waiting for the rest of this body; the request is refused with 503 to make room for a newer body."""
        self._is_cut_off = True
        if self._clock is not None:
            self._clock.reschedule(0)
