#!/usr/bin/env bash
# Versions: gunicorn 27.0.1, uvicorn-worker 0.4.0 with uvicorn 0.54.0. Python 3.11.
#
# Belief: when the master of gunicorn dies without a word (the OOM killer takes it, or it fails while it reloads its
# configuration), its workers notice that their parent has changed and end by themselves. The supervisor then starts a
# new master on the same port.
#
# Observed: that is so for gunicorn's own kinds of worker. A worker of uvicorn-worker does not look at its parent. It
# goes on serving, with its old code and its connections, for as long as nobody kills it; no heartbeat is checked by
# then. It keeps the port, so that a new master fails with "Connection in use" each time the supervisor starts it. In a
# container the death of PID 1 ends the workers too; elsewhere the supervisor has to end the whole group of processes.
#
# Output:
#   asgi: the worker has ended, a new master starts
#   uvicorn_worker.UvicornWorker: the worker serves, a new master cannot bind
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/app.py" <<'PROGRAM'
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
PROGRAM

cat > "$folder/masters.py" <<'PROGRAM'
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

FOLDER = Path(__file__).parent


def answers(port: int) -> bool:
    try:
        return urlopen(f"http://127.0.0.1:{port}/", timeout=2).read() == b"ok"
    except OSError:
        return False


def start(kind: str, port: int) -> subprocess.Popen:
    (FOLDER / "worker").unlink(missing_ok=True)
    (FOLDER / "gunicorn.conf.py").write_text(
        "from pathlib import Path\n"
        "def post_fork(server, worker):\n"
        f"    Path({str(FOLDER / 'worker')!r}).write_text(str(worker.pid))\n"
    )
    command = [sys.executable, "-m", "gunicorn", "--worker-class", kind, "--bind", f"127.0.0.1:{port}"]
    command += ["--no-control-socket", "--timeout", "5", "--log-level", "critical", "app:app"]
    return subprocess.Popen(command, cwd=FOLDER, stderr=subprocess.DEVNULL)


def answering(master: subprocess.Popen, port: int) -> bool:
    for _ in range(300):
        if master.poll() is not None:
            return False
        if answers(port) and (FOLDER / "worker").exists():
            return True
        time.sleep(0.1)
    raise SystemExit("gunicorn does not start")


def after_the_death_of_the_master(kind: str, port: int, started: list[subprocess.Popen]) -> str:
    started.append(start(kind, port))
    answering(started[0], port)
    started[0].kill()  # SIGKILL, as of the OOM killer
    started[0].wait()
    for _ in range(100):  # twice the heartbeat timeout of 5 s
        time.sleep(0.1)
        if not answers(port):
            break
    serves = answers(port)
    state = "the worker serves" if serves else "the worker has ended"
    left_over = int((FOLDER / "worker").read_text())
    started.append(start(kind, port))
    try:
        starts = started[1].wait(30) == 0 if serves else answering(started[1], port)
    finally:
        if serves:
            os.kill(left_over, signal.SIGTERM)
    return f"{state}, a new master {'starts' if starts else 'cannot bind'}"


for kind in ("asgi", "uvicorn_worker.UvicornWorker"):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    started: list[subprocess.Popen] = []
    try:
        print(f"{kind}: {after_the_death_of_the_master(kind, port, started)}")
    finally:
        for master in started:
            master.terminate()
            master.wait(30)
PROGRAM

python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check gunicorn==27.0.1 uvicorn-worker==0.4.0 uvicorn==0.54.0
found=$("$python" "$folder/masters.py")
echo "$found"
[[ $found == $'asgi: the worker has ended, a new master starts
uvicorn_worker.UvicornWorker: the worker serves, a new master cannot bind' ]]
