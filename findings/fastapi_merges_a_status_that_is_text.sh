#!/usr/bin/env bash
# Versions: fastapi 0.165.0. Python 3.11.
#
# Belief: `responses=` of a route replaces what the application documents for the same status; "503" and 503 are the
# same status, as OpenAPI itself writes statuses as text.
#
# Observed: with the number 503 on both sides the route's entry replaces the application's. With the text "503" on the
# application's side both are kept and merged by media type: the route claims a content that it never sends. There is no
# warning.
#
# Output:
#   503: application/json
#   '503': application/json, application/problem+json
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/statuses.py" <<'PROGRAM'
from fastapi import FastAPI
from pydantic import BaseModel


class Broken(BaseModel):
    part: str


for status in (503, "503"):
    app = FastAPI(responses={status: {"description": "busy", "content": {"application/problem+json": {}}}})

    @app.get("/ready", responses={503: {"description": "not ready", "model": Broken}})
    def ready() -> None: ...

    documented = app.openapi()["paths"]["/ready"]["get"]["responses"]["503"]
    print(f"{status!r}: {', '.join(sorted(documented['content']))}")
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check fastapi==0.165.0
found=$("$folder/venv/bin/python" "$folder/statuses.py")
echo "$found"
[[ $found == $'503: application/json\n\'503\': application/json, application/problem+json' ]]
