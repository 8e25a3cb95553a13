#!/usr/bin/env bash
# Versions: gunicorn 27.0.1. Python 3.11.
#
# Belief: code at the top of gunicorn.conf.py runs once, before the master sets its signal handlers. A handler that the
# file sets for the time of the imports, as process 1 of a container needs, is replaced by the handlers of gunicorn.
#
# Observed: SIGHUP, the reload, runs the file a second time, and gunicorn does not set its handlers again. From the first
# reload on, SIGTERM runs the handler of the file: the master ends at once, with the exit code of that handler, while its
# worker still answers a request. In a container, where the master is process 1, its end kills the worker and the client
# gets nothing. Set the handler only while the signal still has its default action.
#
# Output:
#   without a reload: the master ends after the response, with code 0
#   after a reload: the master ends before the response, with code 7
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/gunicorn.conf.py" <<'PROGRAM'
import os
import signal

signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
bind = f"127.0.0.1:{os.environ['A_PORT']}"
workers = 1
errorlog = os.environ["A_LOG"]
PROGRAM

cat > "$folder/slow.py" <<'PROGRAM'
import time


def app(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 0))
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]
PROGRAM

cat > "$folder/stops.py" <<'PROGRAM'
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

FOLDER = pathlib.Path(sys.argv[1])


def ask(url: str) -> int | None:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status
    except OSError:
        return None


def until(condition) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    raise SystemExit("gunicorn does not get ready")


def stop(reload: bool) -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    log = FOLDER / f"log-{reload}"
    given = os.environ | {"A_PORT": str(port), "A_LOG": str(log)}
    master = subprocess.Popen([sys.executable, "-m", "gunicorn", "slow:app"], cwd=FOLDER, env=given)
    url = f"http://127.0.0.1:{port}/"
    until(lambda: ask(url) == 200)
    if reload:
        master.send_signal(signal.SIGHUP)
        until(lambda: log.read_text().count("Booting worker") == 2 and "Worker exiting" in log.read_text())
    client = threading.Thread(target=ask, args=(f"{url}?3",))
    client.start()
    time.sleep(0.7)
    master.terminate()
    code = master.wait(40)
    order = "before" if client.is_alive() else "after"
    client.join()
    return f"the master ends {order} the response, with code {code}"


print("without a reload:", stop(reload=False))
print("after a reload:", stop(reload=True))
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gunicorn==27.0.1
found=$("$folder/venv/bin/python" "$folder/stops.py" "$folder")
echo "$found"
[[ $found == 'without a reload: the master ends after the response, with code 0
after a reload: the master ends before the response, with code 7' ]]
