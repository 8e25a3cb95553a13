"""An orderly stop of gunicorn: after SIGTERM a worker serves on for a while, and asks each client to reconnect."""

import socket
import subprocess
import sys
import time
from urllib.request import urlopen

from app.server.drain import DrainingServer
from starlette.responses import PlainTextResponse
from uvicorn_worker import UvicornWorker

app = PlainTextResponse("ok")


class DrainingWorker(UvicornWorker):
    async def _serve(self) -> None:
        self.config.app = self.wsgi
        await DrainingServer(self.config, lambda _seconds: None, drain_seconds=3).serve(sockets=self.sockets)


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number, url = listener.fileno(), f"http://127.0.0.1:{listener.getsockname()[1]}/"
        options = ["--bind", f"fd://{number}", "--worker-class", "example.DrainingWorker", "--no-control-socket"]
        gunicorn = subprocess.Popen([sys.executable, "-m", "gunicorn", *options, "example:app"], pass_fds=[number])
        urlopen(url, timeout=60).close()  # is answered as soon as the worker has started
    gunicorn.terminate()
    time.sleep(0.5)
    assert (urlopen(url, timeout=60).headers["connection"], gunicorn.wait()) == ("close", 0)
