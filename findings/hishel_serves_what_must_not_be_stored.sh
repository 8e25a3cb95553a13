#!/usr/bin/env bash
# Versions: hishel 2.0.0, and 1.3.0 for comparison, with httpx 0.28.1. Python 3.11.
#
# Belief: AsyncCacheClient of hishel stores what HTTP allows to be stored, as long as it is fresh. A client with the
# token of Bob never gets what the server has marked `private, no-store` in its answer to Alice.
#
# Observed: since 2.0 the rules of RFC 9111 are off unless `rfc=True` is passed. The same program that asked the server
# each time under 1.3.0 gets the answer to Alice for Bob: the key is the method and the URL, so neither the token nor
# `Vary` counts, and all clients of a folder share one file. No time limit is set, so what was once read is served until
# 1 GiB is full, also after a restart and after a PUT to the same URL. Pass `rfc=True` to each client.
#
# Output:
#   1.3.0: alice reads "1, for alice", bob reads "2, for bob"; alice changes it, then reads "3, for alice"
#   2.0.0: alice reads "1, for alice", bob reads "1, for alice"; alice changes it, then reads "1, for alice"
#   2.0.0 in the next process: bob reads "1, for alice"
#   2.0.0 with rfc=True: alice reads "1, for alice", bob reads "2, for bob"; alice changes it, then reads "3, for alice"
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/profile.py" <<'PROGRAM'
import asyncio
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hishel.httpx import AsyncCacheClient

title, port, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
reads = 0


class Profile(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        global reads
        reads += 1
        self.answer(f"{reads}, for {self.headers['Authorization']}".encode())

    def do_PUT(self) -> None:
        self.answer(b"")

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Cache-Control", "private, no-store")
        self.send_header("Vary", "Authorization")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


async def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", port), Profile)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/profile"
    options = {"rfc": True} if mode == ["rfc"] else {}
    if mode == ["again"]:
        async with AsyncCacheClient(headers={"Authorization": "bob"}) as bob:
            print(f'{title}: bob reads "{(await bob.get(url)).text}"')
    else:
        async with (
            AsyncCacheClient(headers={"Authorization": "alice"}, **options) as alice,
            AsyncCacheClient(headers={"Authorization": "bob"}, **options) as bob,
        ):
            first, other = (await alice.get(url)).text, (await bob.get(url)).text
            await alice.put(url)
            after = (await alice.get(url)).text
        print(f'{title}: alice reads "{first}", bob reads "{other}"; alice changes it, then reads "{after}"')
    server.shutdown()
    server.server_close()


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
install=("$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check)
run() { (cd "$folder" && venv/bin/python profile.py "$@"); }

"${install[@]}" 'hishel[async,httpx]==1.3.0' httpx==0.28.1
found=$(run 1.3.0 0)
"${install[@]}" 'hishel[async,httpx]==2.0.0' httpx==0.28.1
free='import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])'
port=$("$folder/venv/bin/python" -c "$free")
found+=$'\n'$(run 2.0.0 "$port")
found+=$'\n'$(run '2.0.0 in the next process' "$port" again)
rm -rf "$folder/.cache"
found+=$'\n'$(run '2.0.0 with rfc=True' 0 rfc)
echo "$found"
[[ $found == '1.3.0: alice reads "1, for alice", bob reads "2, for bob"; alice changes it, then reads "3, for alice"
2.0.0: alice reads "1, for alice", bob reads "1, for alice"; alice changes it, then reads "1, for alice"
2.0.0 in the next process: bob reads "1, for alice"
2.0.0 with rfc=True: alice reads "1, for alice", bob reads "2, for bob"; alice changes it, then reads "3, for alice"' ]]
