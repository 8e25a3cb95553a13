#!/usr/bin/env bash
# Versions: throttled-py 3.5.0. Python 3.11.
#
# Belief: `Throttled(quota=per_week(3), store=MemoryStore())` allows each client three calls a week, and its memory
# grows with the number of clients.
#
# Observed: the store keeps the 1,024 clients that called last and drops the others with their counts. While 1,024
# clients or fewer take turns, the limit is exact. With 1,025 that take turns each one is a new client at each call:
# none is ever limited, there is no error, and the quota fails in the busy hour that it is meant for.
# `MemoryStore(options={"MAX_SIZE": ...})` moves the edge: it has to be above the number of clients in a window.
#
# Output:
#   1024 clients, 10 calls each, 3 allowed: 7168 of 10240 calls limited
#   1025 clients, 10 calls each, 3 allowed: 0 of 10250 calls limited
#   1025 clients and a MAX_SIZE of 2000: 7175 of 10250 calls limited
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/clients.py" <<'PROGRAM'
from throttled import Throttled, rate_limiter
from throttled.store import MemoryStore


def limited(clients: int, store: MemoryStore) -> str:
    throttle = Throttled(using="fixed_window", quota=rate_limiter.per_week(3), store=store)
    count = sum(throttle.limit(f"client {client}").limited for _ in range(10) for client in range(clients))
    return f"{count} of {10 * clients} calls limited"


print("1024 clients, 10 calls each, 3 allowed:", limited(1024, MemoryStore()))
print("1025 clients, 10 calls each, 3 allowed:", limited(1025, MemoryStore()))
print("1025 clients and a MAX_SIZE of 2000:", limited(1025, MemoryStore(options={"MAX_SIZE": 2000})))
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check throttled-py==3.5.0
found=$("$folder/venv/bin/python" "$folder/clients.py")
echo "$found"
[[ $found == $'1024 clients, 10 calls each, 3 allowed: 7168 of 10240 calls limited
1025 clients, 10 calls each, 3 allowed: 0 of 10250 calls limited
1025 clients and a MAX_SIZE of 2000: 7175 of 10250 calls limited' ]]
