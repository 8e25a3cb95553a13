#!/usr/bin/env bash
# Versions: PyJWT 2.15.1. Python 3.11.
#
# Belief: PyJWKClient fetches the keys of the identity provider with a timeout, so while that provider hangs a token
# check in a thread (a `def` dependency of FastAPI) fails after that timeout, 30 seconds, whoever else checks one. A key
# that is in the cache is found at once.
#
# Observed: one lock is held during the fetch, and who waited for it then fetches again. Four checks that begin together
# fail after one, two, three and four timeouts; the last of the 40 threads of a service fails after 20 minutes, and the
# threads are gone for all other routes. A check whose key is in the cache waits behind a check whose key is not, for
# instance one of a token with the next key. Fetch the keys in one task of their own, and look them up in a dict.
#
# Output:
#   four checks while the provider hangs fail after 1, 2, 3, 4 timeouts
#   a key of the cache, alone: at once
#   a key of the cache, while another check fetches an unknown one: after 1 timeout
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/checks.py" <<'PROGRAM'
import json
import socket
import threading
import time

from jwt import PyJWKClient
from jwt.exceptions import PyJWKClientConnectionError

TIMEOUT = 2
KEYS = json.dumps({"keys": [{"kty": "oct", "kid": "known", "k": "c2VjcmV0LW9mLWEtZmluZGluZy0zMi1ieXRlcy1sb25n"}]})
ANSWER = f"HTTP/1.1 200 OK\r\nContent-Length: {len(KEYS)}\r\nConnection: close\r\n\r\n{KEYS}".encode()


class Provider:
    def __init__(self, answers: int) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.connections: list[socket.socket] = []
        threading.Thread(target=self.serve, args=(answers,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"

    def serve(self, answers: int) -> None:
        while True:
            connection, _ = self.listener.accept()
            self.connections.append(connection)
            if answers > 0:
                answers -= 1
                connection.recv(65_536)
                connection.sendall(ANSWER)
                connection.close()


def timed(client: PyJWKClient, kid: str, timeouts: list[float]) -> None:
    start = time.monotonic()
    try:
        client.get_signing_key(kid)
    except PyJWKClientConnectionError:
        pass
    timeouts.append((time.monotonic() - start) / TIMEOUT)


def begin(client: PyJWKClient, kid: str, timeouts: list[float]) -> threading.Thread:
    thread = threading.Thread(target=timed, args=(client, kid, timeouts))
    thread.start()
    return thread


hanging = PyJWKClient(Provider(answers=0).url, timeout=TIMEOUT)
failed: list[float] = []
for thread in [begin(hanging, "known", failed) for _ in range(4)]:
    thread.join()
print(f"four checks while the provider hangs fail after {', '.join(str(int(n)) for n in failed)} timeouts")

client = PyJWKClient(Provider(answers=1).url, timeout=TIMEOUT, cooldown_duration=0)  # by default, 30 s after a fetch
client.get_signing_key("known")
alone: list[float] = []
timed(client, "known", alone)
print(f"a key of the cache, alone: {'at once' if alone[0] < 0.1 else 'late'}")
fetching = begin(client, "unknown", [])
time.sleep(0.1)
behind: list[float] = []
timed(client, "known", behind)
fetching.join()
said = "after 1 timeout" if behind[0] > 0.8 else "at once"
print(f"a key of the cache, while another check fetches an unknown one: {said}")
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyjwt==2.15.1
found=$("$folder/venv/bin/python" "$folder/checks.py")
echo "$found"
[[ $found == 'four checks while the provider hangs fail after 1, 2, 3, 4 timeouts
a key of the cache, alone: at once
a key of the cache, while another check fetches an unknown one: after 1 timeout' ]]
