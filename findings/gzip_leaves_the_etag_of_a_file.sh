#!/usr/bin/env bash
# Versions: starlette 1.10.0, httpx 0.28.1. Python 3.11.
#
# Belief: a download that broke off can be resumed behind GZipMiddleware. The client asks for the rest with `Range` and
# with the ETag of its first part in `If-Range`, and the server sends the rest only if it is the rest of the same bytes,
# and else the whole file.
#
# Observed: GZipMiddleware compresses the answer of a FileResponse and leaves the strong ETag of the plain file on it,
# so the ETag in `If-Range` matches. It does not compress the 206, whose range counts in bytes of the plain file: the
# client appends plain text to half of a gzip stream, and has followed the rules. Also, a FileResponse ignores
# `If-None-Match` and sends the whole file; only StaticFiles answers 304.
#
# Output:
#   first part: 200, gzip
#   rest: 206, plain, the same ETag
#   both together: cannot be decompressed
#   FileResponse with If-None-Match: 200, StaticFiles: 304
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/downloads.py" <<'PROGRAM'
import asyncio
import gzip
import sys
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

folder = Path(sys.argv[1])
content = "".join(f"{number},{number * number}\n" for number in range(5000)).encode()
(folder / "report.csv").write_bytes(content)


async def report(request):
    return FileResponse(folder / "report.csv")


app = Starlette(
    routes=[Route("/report.csv", report), Mount("/static", StaticFiles(directory=folder))],
    middleware=[Middleware(GZipMiddleware)],
)


async def get(path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """Ask for a path, and give the bytes as they were on the wire."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://finding") as client:
        async with client.stream("GET", path, headers={"accept-encoding": "gzip", **headers}) as response:
            return response, b"".join([part async for part in response.aiter_raw()])


async def main() -> None:
    first, wire = await get("/report.csv")
    part, etag = wire[:10_000], first.headers["etag"]
    rest, others = await get("/report.csv", range="bytes=10000-", if_range=etag)
    print(f"first part: {first.status_code}, {first.headers.get('content-encoding', 'plain')}")
    same = "the same ETag" if rest.headers["etag"] == etag else "a different ETag"
    print(f"rest: {rest.status_code}, {rest.headers.get('content-encoding', 'plain')}, {same}")
    try:
        print("both together:", "whole" if gzip.decompress(part + others) == content else "a different file")
    except (EOFError, OSError, gzip.zlib.error):
        print("both together: cannot be decompressed")
    again, _ = await get("/report.csv", if_none_match=etag)
    static, _ = await get("/static/report.csv", if_none_match=etag)
    print(f"FileResponse with If-None-Match: {again.status_code}, StaticFiles: {static.status_code}")


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check starlette==1.10.0 httpx==0.28.1
mkdir "$folder/files"
found=$("$folder/venv/bin/python" "$folder/downloads.py" "$folder/files")
echo "$found"
[[ $found == $'first part: 200, gzip
rest: 206, plain, the same ETag
both together: cannot be decompressed
FileResponse with If-None-Match: 200, StaticFiles: 304' ]]
