#!/usr/bin/env bash
# Versions: fastapi 0.165.0, pydantic 2.14.4, starlette 1.10.0. Python 3.11.
#
# Belief: a body of type `Card | Transfer` is tried with each model by itself. `model_validate_json` of the same bytes
# and the route agree, so a test of the models on JSON covers the route.
#
# Observed: a `mode="before"` validator of Card that removes an old key removes it from the one dictionary that all
# members of the union get. FastAPI parses the body first and hands the dictionary over: Transfer is then told that the
# key that was sent is missing, or takes its default for it, with a 200. pydantic's own JSON parser makes a new
# dictionary for each member, so `validate_json` is right for the same bytes. A before validator must build a new one.
#
# Output:
#   required key: validate_json gives Transfer, the route 422 missing version
#   key with a default: validate_json gives version 7, the route 200 version 1
#   the validator builds a new dictionary: the route 200 version 7
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/unions.py" <<'PROGRAM'
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, TypeAdapter, model_validator

BODY = '{"iban": "DE02", "version": 7}'


def remove(data: dict[str, Any]) -> dict[str, Any]:
    data.pop("version", None)  # an old client still sends it
    return data


def leave_out(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != "version"}


def answers(change: Callable[[dict[str, Any]], dict[str, Any]], **default: int) -> tuple[Any, Any]:
    class Card(BaseModel):
        number: str
        _change = model_validator(mode="before")(classmethod(lambda _, data: change(data)))

    class Required(BaseModel):
        iban: str
        version: int

    class Optional(BaseModel):
        iban: str
        version: int = 1

    kind = Card | (Optional if default else Required)
    app = FastAPI()

    @app.post("/payments")
    async def pay(payment: kind) -> dict[str, Any]:
        return payment.model_dump()

    answer = TestClient(app).post("/payments", content=BODY, headers={"content-type": "application/json"})
    return TypeAdapter(kind).validate_json(BODY), answer


model, answer = answers(remove)
missing = [error["loc"][-1] for error in answer.json()["detail"] if error["loc"][1] == "Required"]
kind = "Transfer" if model.version == 7 else model
print(f"required key: validate_json gives {kind}, the route {answer.status_code} missing {', '.join(missing)}")
model, answer = answers(remove, version=1)
found = f"the route {answer.status_code} version {answer.json()['version']}"
print(f"key with a default: validate_json gives version {model.version}, {found}")
model, answer = answers(leave_out, version=1)
print(f"the validator builds a new dictionary: the route {answer.status_code} version {answer.json()['version']}")
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    fastapi==0.165.0 pydantic==2.14.4 starlette==1.10.0 httpx2==2.16.2 httpx==0.28.1
found=$("$folder/venv/bin/python" -W ignore "$folder/unions.py")
echo "$found"
[[ $found == $'required key: validate_json gives Transfer, the route 422 missing version
key with a default: validate_json gives version 7, the route 200 version 1
the validator builds a new dictionary: the route 200 version 7' ]]
