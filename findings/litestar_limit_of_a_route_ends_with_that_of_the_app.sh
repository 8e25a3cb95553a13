#!/usr/bin/env bash
# Versions: litestar 2.25.0. Python 3.11.
#
# Belief: a route with its own RateLimitConfig has its own counter. Five logins an hour stay five logins an hour when
# the application gets a limit of 50 requests in a second around them.
#
# Observed: the key of a counter is the class of the middleware and the client, without the limit, its unit or the
# route, and all configurations use the store "rate_limit". Both limits then write one history, and who starts it sets
# when it ends: after a second, though the route says an hour. The 5 logins an hour become 2 in each second, without
# end. With a limit in minutes around it the route admits 2 instead of 5, as each request counts twice, and requests to
# other routes use up the logins. Give each RateLimitConfig its own `store`, or its own `identifier_for_request`.
#
# Output, ten logins in each of three periods of more than a second:
#   5 logins an hour, alone: 5, 0, 0
#   under 50 requests a second: 2, 2, 2
#   under 50 requests a second, with a store of its own: 5, 0, 0
#   under 100 requests a minute: 2, 0, 0
#   under 100 requests a minute, after five requests to another route: 0, 0, 0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/logins.py" <<'PROGRAM'
import time
from unittest import mock

from litestar import Litestar, get
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.testing import TestClient


def admitted(around: RateLimitConfig | None, store: str = "rate_limit", others: int = 0) -> str:
    limit = RateLimitConfig(("hour", 5), store=store)

    @get("/login", middleware=[limit.middleware], sync_to_thread=False)
    def login() -> str:
        return "welcome"

    @get("/news", sync_to_thread=False)
    def news() -> str:
        return "none"

    app = Litestar([login, news], middleware=[around.middleware] if around else [], logging_config=None)
    counts = []
    now = int(time.time())
    with TestClient(app) as client:
        for period in range(3):
            with mock.patch("litestar.middleware.rate_limit.time", lambda: now + 2 * period):
                for _ in range(others):
                    client.get("/news")
                counts.append(sum(client.get("/login").status_code == 200 for _ in range(10)))
    return ", ".join(map(str, counts))


second, minute = RateLimitConfig(("second", 50)), RateLimitConfig(("minute", 100))
print("5 logins an hour, alone:", admitted(None))
print("under 50 requests a second:", admitted(second))
print("under 50 requests a second, with a store of its own:", admitted(second, store="logins"))
print("under 100 requests a minute:", admitted(minute))
print("under 100 requests a minute, after five requests to another route:", admitted(minute, others=5))
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check litestar==2.25.0
found=$("$folder/venv/bin/python" "$folder/logins.py")
echo "$found"
[[ $found == '5 logins an hour, alone: 5, 0, 0
under 50 requests a second: 2, 2, 2
under 50 requests a second, with a store of its own: 5, 0, 0
under 100 requests a minute: 2, 0, 0
under 100 requests a minute, after five requests to another route: 0, 0, 0' ]]
