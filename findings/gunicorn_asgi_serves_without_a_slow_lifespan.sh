#!/usr/bin/env bash
# Versions: gunicorn 27.0.1 (worker class `asgi`). Python 3.11.
#
# Belief: with `--timeout 120` an application may take a minute to start, for instance to load a model. The asgi worker
# of gunicorn serves when its lifespan has started. When that takes too long the worker ends with an error, as it does
# when the lifespan of a Starlette or FastAPI application raises.
#
# Observed: there is a second limit of 30 seconds that no setting changes. After it the worker cancels the lifespan,
# takes the application for one that has none, and serves: each route that needs what the lifespan makes fails, and the
# state is empty. The log has nothing about it at its normal level, and the cleanup at the end never runs.
# `--asgi-lifespan on` makes it an error.
#
# Output:
#   a lifespan of 1 s: state ready, in the log: nothing about the lifespan
#   a lifespan of 31 s: state empty, in the log: nothing about the lifespan
#   a lifespan of 31 s, --asgi-lifespan on: gunicorn ends with code 3, in the log: ASGI lifespan startup failed: Lifespan startup timed out
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/slow.py" <<'PROGRAM'
import asyncio
import os


async def lifespan(scope, receive, send):
    await receive()
    await asyncio.sleep(float(os.environ["A_START"]))
    scope["state"]["model"] = "ready"
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    body = scope["state"].get("model", "empty").encode()
    headers = [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
PROGRAM

cat > "$folder/starts.py" <<'PROGRAM'
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request

FOLDER = pathlib.Path(sys.argv[1])


def ask(port: int) -> str | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=50) as answer:
            return answer.read().decode()
    except OSError:
        return None


def start(seconds: int, *arguments: str) -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    log = FOLDER / f"log-{seconds}-{len(arguments)}"
    options = ["--worker-class=asgi", f"--bind=127.0.0.1:{port}", "--timeout=120", "--no-control-socket"]
    command = [sys.executable, "-m", "gunicorn", *options, f"--log-file={log}", *arguments, "slow:app"]
    master = subprocess.Popen(command, cwd=FOLDER, env=os.environ | {"A_START": str(seconds)})
    answer = None
    try:
        end = time.monotonic() + 50
        while answer is None and master.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
            answer = ask(port)
    finally:
        master.terminate()
        code = master.wait(50)
    said = re.findall("ASGI lifespan .*", log.read_text())
    result = f"state {answer}" if answer else f"gunicorn ends with code {code}"
    return f"{result}, in the log: {said[0] if said else 'nothing about the lifespan'}"


results: dict[str, str] = {}
starts = {
    "a lifespan of 1 s": (1,),
    "a lifespan of 31 s": (31,),
    "a lifespan of 31 s, --asgi-lifespan on": (31, "--asgi-lifespan=on"),
}


def run(name: str) -> None:
    results[name] = start(*starts[name])


threads = [threading.Thread(target=run, args=(name,)) for name in starts]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for name in starts:
    print(f"{name}: {results[name]}")
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gunicorn==27.0.1
found=$("$folder/venv/bin/python" "$folder/starts.py" "$folder")
echo "$found"
[[ $found == 'a lifespan of 1 s: state ready, in the log: nothing about the lifespan
a lifespan of 31 s: state empty, in the log: nothing about the lifespan
a lifespan of 31 s, --asgi-lifespan on: gunicorn ends with code 3, in the log: ASGI lifespan startup failed: Lifespan startup timed out' ]]
