"""`make seed`: fills the development database through the API, with the example of each request body.

Each request has an idempotency key: until the keys expire, after IDEMPOTENCY_SECONDS, a second run stores no rows.
"""

import json
import os
import sys
from http import HTTPStatus

from devtools.binaries import ServerError
from devtools.child_processes import ChildEnded, ChildProcesses, RunError, StopRequested
from devtools.ports import LOOPBACK, free_port
from devtools.postgres import PROJECT, development_url, setting
from devtools.probe import base_url, posts, probe, sign_in
from devtools.run import start

ROWS = 60
"""The number of rows of each kind that `make seed` creates, each by a request: more than a page of a list shows."""


def main() -> None:
    """Start the service, send the requests, and print how many rows of each kind were stored.

    Raises:
        SystemExit: the database may be precious, or the service does not start.
    """
    environment = setting("ENVIRONMENT") or ("unset" if setting("DATABASE_URL") else "development")
    if environment != "development":
        sys.exit(f"ENVIRONMENT is {environment}: a seed needs development, and a DATABASE_URL that may be filled.")
    os.environ["LOG_LEVEL"] = "warning"
    try:
        with development_url() as url, ChildProcesses(PROJECT) as children:
            start(children, url, (LOOPBACK, port := free_port()), production=False)
            base = base_url(LOOPBACK, port)
            description = json.loads(probe(base, "/openapi.json")[1])
            own = sign_in(description) | {"Content-Type": "application/json"}
            for path, example in posts(description):
                keys = ({**own, "Idempotency-Key": f"seed-{row}"} for row in range(ROWS))
                answers = [probe(base, path, example, headers) for headers in keys]
                rows = {body for status, body in answers if status == HTTPStatus.CREATED}
                refusal = next((f"; {body}" for status, body in answers if status != HTTPStatus.CREATED), "")
                print(f"{path}: {len(rows)} rows{refusal}")
    except (RunError, ServerError, ChildEnded, StopRequested) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
