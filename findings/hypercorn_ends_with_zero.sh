#!/usr/bin/env bash
# Versions: hypercorn 0.18.0, and uvicorn 0.54.0 for comparison. Python 3.11.
#
# Belief: a server that cannot start, or whose worker was killed for its memory, ends with a code other than 0, or
# starts another worker. systemd (Restart=on-failure), a restart policy OnFailure or a deploy script then notice.
#
# Observed: the code of the first worker that ended is found, and then replaced by that of a second look at those that
# are left, which is 0. So hypercorn ends with 0 when the application fails to start and when its module cannot be
# imported. A killed worker is not replaced: one of two takes the whole server down, with 0 and without a line in the
# log. Let the supervisor restart hypercorn always, whatever the code.
#
# Output:
#   hypercorn: lifespan fails: 0, import fails: 0
#   uvicorn: lifespan fails: 3, import fails: 1
#   hypercorn, 2 workers, one is killed: the server ends with 0, lines in its log: 0
#   uvicorn, 2 workers, one is killed: the server goes on
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/refuses.py" <<'PROGRAM'
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
PROGRAM

echo 'raise RuntimeError("no settings")' > "$folder/raises.py"

cat > "$folder/serves.py" <<'PROGRAM'
import os
import signal


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["path"] == "/memory":
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when no memory is left
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
PROGRAM

cat > "$folder/codes.py" <<'PROGRAM'
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

folder = Path(sys.argv[1])
COMMANDS = {
    "hypercorn": ["hypercorn", "--bind", "127.0.0.1:0", "--workers"],
    "uvicorn": ["uvicorn", "--port", "0", "--workers"],
}


def start(server: str, workers: int, module: str, log: Path) -> subprocess.Popen[bytes]:
    command, *options = COMMANDS[server]
    line = [folder / "venv/bin" / command, *options, str(workers), f"{module}:app"]
    return subprocess.Popen(line, cwd=folder, stdout=log.open("wb"), stderr=subprocess.STDOUT)


def fails(server: str) -> None:
    codes = [start(server, 1, module, folder / "log").wait(60) for module in ("refuses", "raises")]
    print(f"{server}: lifespan fails: {codes[0]}, import fails: {codes[1]}")


def ask(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=10).status == 200
    except OSError:
        return False


def killed(server: str, ready: str) -> None:
    log = folder / f"{server}.log"
    process = start(server, 2, "serves", log)
    while log.read_text().count(ready) < 2 and process.poll() is None:
        time.sleep(0.1)
    port = re.findall(r"unning on http://127\.0\.0\.1:(\d+)", log.read_text())[0]
    before = len(log.read_text().splitlines())
    ask(f"http://127.0.0.1:{port}/memory")
    try:
        code = process.wait(5)
        lines = len(log.read_text().splitlines()) - before
        print(f"{server}, 2 workers, one is killed: the server ends with {code}, lines in its log: {lines}")
    except subprocess.TimeoutExpired:
        answers = any(ask(f"http://127.0.0.1:{port}/") for _ in range(5))
        print(f"{server}, 2 workers, one is killed: the server {'goes on' if answers else 'hangs'}")
        process.terminate()
        process.wait(60)


fails("hypercorn")
fails("uvicorn")
killed("hypercorn", "Running on")
killed("uvicorn", "startup complete")
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check hypercorn==0.18.0 uvicorn==0.54.0
found=$("$folder/venv/bin/python" "$folder/codes.py" "$folder")
echo "$found"
[[ $found == 'hypercorn: lifespan fails: 0, import fails: 0
uvicorn: lifespan fails: 3, import fails: 1
hypercorn, 2 workers, one is killed: the server ends with 0, lines in its log: 0
uvicorn, 2 workers, one is killed: the server goes on' ]]
