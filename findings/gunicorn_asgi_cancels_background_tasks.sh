#!/usr/bin/env bash
# Versions: gunicorn 27.0.1 (worker class `asgi`), uvicorn 0.54.0, starlette 1.10.0. Python 3.11.
#
# Belief: a background task runs after the response, and has nothing to do with the client any more. When the client has
# its whole response and closes the connection, as curl and most clients without a pool do at once, the task goes on.
#
# Observed: that is so under uvicorn. The asgi worker of gunicorn takes the end of the connection for a client that left
# in the middle, and cancels the call of the application 3 seconds later (`asgi_disconnect_grace_period`), the
# background task with it. There is no line in the log, and the status was 200. A client that keeps its connection open
# hides it, so a test with a pooled client passes; a longer grace period moves the limit and does not remove it.
#
# Output:
#   uvicorn, the client closes its connection: the task of 5 s is done
#   gunicorn, the client keeps its connection: the task of 5 s is done
#   gunicorn, the client closes its connection: the task of 5 s got a CancelledError after 3 s
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/orders.py" <<'PROGRAM'
import asyncio
import time

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse
from starlette.routing import Route

end = ""


async def send_the_mail():
    global end
    end, start = "", time.monotonic()
    try:
        await asyncio.sleep(5)
        end = "is done"
    except BaseException as error:
        end = f"got a {type(error).__name__} after {time.monotonic() - start:.0f} s"
        raise


async def order(request):
    return PlainTextResponse("stored", background=BackgroundTask(send_the_mail))


async def how_it_ended(request):
    return PlainTextResponse(end)


app = Starlette(routes=[Route("/order", order, methods=["POST"]), Route("/end", how_it_ended)])
PROGRAM

cat > "$folder/clients.py" <<'PROGRAM'
import http.client
import socket
import subprocess
import sys
import threading
import time

GUNICORN = ["gunicorn", "--worker-class=asgi", "--log-level=error", "--no-control-socket"]
SERVERS = {
    "uvicorn": lambda port: ["uvicorn", "--log-level=error", f"--port={port}"],
    "gunicorn": lambda port: [*GUNICORN, f"--bind=127.0.0.1:{port}"],
}


def ask(connection: http.client.HTTPConnection, method: str, path: str) -> str:
    connection.request(method, path)
    return connection.getresponse().read().decode()


def until(port: int, seconds: float) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            if said := ask(connection, "GET", "/end"):
                return said
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.2)
    return ""


def order(name: str, *, keep: bool) -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", *SERVERS[name](port), "orders:app"])
    try:
        for _ in range(300):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                if ask(connection, "POST", "/order") == "stored":
                    break
            except OSError:
                time.sleep(0.1)
        if not keep:
            connection.close()
        said = until(port, 15)
        connection.close()
        return said
    finally:
        server.terminate()
        server.wait(30)


results: dict[str, str] = {}


def run(server: str, keep: bool) -> None:
    title = f"{server}, the client {'keeps' if keep else 'closes'} its connection"
    results[title] = f"{title}: the task of 5 s {order(server, keep=keep)}"


CASES = ("uvicorn", False), ("gunicorn", True), ("gunicorn", False)
threads = [threading.Thread(target=run, args=case) for case in CASES]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("\n".join(sorted(results.values(), key=lambda line: (line[0] != "u", "closes" in line))))
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    gunicorn==27.0.1 uvicorn==0.54.0 starlette==1.10.0
found=$(cd "$folder" && "$folder/venv/bin/python" clients.py)
echo "$found"
[[ $found == 'uvicorn, the client closes its connection: the task of 5 s is done
gunicorn, the client keeps its connection: the task of 5 s is done
gunicorn, the client closes its connection: the task of 5 s got a CancelledError after 3 s' ]]
