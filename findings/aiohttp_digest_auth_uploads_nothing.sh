#!/usr/bin/env bash
# Versions: aiohttp 3.14.5. Python 3.11.
#
# Belief: DigestAuthMiddleware answers the challenge of the server and sends the request again, with its body. Where a
# body cannot be sent twice, as that of an async generator, the call fails, as it does for a redirect.
#
# Observed: the generator has ended when the challenge comes, so the second request goes out signed and with an empty
# body. The server accepts it, and the caller sees 201. Only the first upload of a session is empty, as later ones are
# signed at once; with `preemptive=False` each of them is. A retry middleware as in the documentation does the same
# after a 503. The body knows that it is consumed, but only the code for redirects asks. Give bytes or a file that can
# be rewound, or add a middleware behind it that fails when `request.body.consumed` is true before it is sent.
#
# Output:
#   digest, generator: 201 and 0 bytes stored, then 201 and 6 bytes stored
#   digest, bytes: 201 and 6 bytes stored, then 201 and 6 bytes stored
#   digest, not preemptive, generator: 201 and 0 bytes stored, then 201 and 0 bytes stored
#   retry after 503, generator: 201 and 0 bytes stored, then 201 and 0 bytes stored
#   redirect, generator: ClientPayloadError, then ClientPayloadError
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/uploads.py" <<'PROGRAM'
import asyncio
from collections.abc import AsyncIterator, Callable

from aiohttp import (
    ClientHandlerType,
    ClientPayloadError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    DigestAuthMiddleware,
    web,
)

CHALLENGE = {"WWW-Authenticate": 'Digest realm="files", nonce="1", qop="auth", algorithm=MD5'}
stored: dict[str, bytes] = {}
refused: set[str] = set()


async def signed(request: web.Request) -> web.Response:
    body = await request.read()
    if "Authorization" not in request.headers:
        return web.Response(status=401, headers=CHALLENGE)
    stored[request.path] = body
    return web.Response(status=201)


async def busy(request: web.Request) -> web.Response:
    body = await request.read()
    if request.path not in refused:
        refused.add(request.path)
        return web.Response(status=503)
    stored[request.path] = body
    return web.Response(status=201)


async def moved(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=307, headers={"Location": "/busy/elsewhere"})


async def retry(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    for _ in range(3):
        response = await handler(request)
        if response.status != 503:
            break
    return response


async def chunks() -> AsyncIterator[bytes]:
    yield b"abc"
    yield b"def"


async def main() -> None:
    app = web.Application()
    app.router.add_put("/signed/{name}", signed)
    app.router.add_put("/busy/{name}", busy)
    app.router.add_put("/moved/{name}", moved)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def twice(title: str, folder: str, body: Callable[[], AsyncIterator[bytes] | bytes], *middlewares) -> None:
        results = []
        async with ClientSession(middlewares=middlewares) as session:
            for path in (f"/{folder}/{title} 1".replace(" ", "-"), f"/{folder}/{title} 2".replace(" ", "-")):
                try:
                    async with session.put(server + path, data=body()) as response:
                        results.append(f"{response.status} and {len(stored[path])} bytes stored")
                except ClientPayloadError as error:
                    results.append(type(error).__name__)
        print(f"{title}: {results[0]}, then {results[1]}")

    await twice("digest, generator", "signed", chunks, DigestAuthMiddleware("user", "secret"))
    await twice("digest, bytes", "signed", lambda: b"abcdef", DigestAuthMiddleware("user", "secret"))
    every = DigestAuthMiddleware("user", "secret", preemptive=False)
    await twice("digest, not preemptive, generator", "signed", chunks, every)
    await twice("retry after 503, generator", "busy", chunks, retry)
    await twice("redirect, generator", "moved", chunks)
    await runner.cleanup()


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check aiohttp==3.14.5
found=$("$folder/venv/bin/python" "$folder/uploads.py")
echo "$found"
[[ $found == 'digest, generator: 201 and 0 bytes stored, then 201 and 6 bytes stored
digest, bytes: 201 and 6 bytes stored, then 201 and 6 bytes stored
digest, not preemptive, generator: 201 and 0 bytes stored, then 201 and 0 bytes stored
retry after 503, generator: 201 and 0 bytes stored, then 201 and 0 bytes stored
redirect, generator: ClientPayloadError, then ClientPayloadError' ]]
