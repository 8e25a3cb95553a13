#!/usr/bin/env bash
# Versions: FastAPI 0.165.0, pydantic 2.14.4, httpx2 2.16.2. Python 3.11.
#
# Belief: a field `average: float` of a response model is a number in each response that passes the validation of
# FastAPI, as the OpenAPI document says. A NaN, such as the mean of no rows, is no JSON: it ends in an error that
# somebody sees, as it does when a route without a return type returns a dict.
#
# Observed: since 0.130 the response of a route with a return type is written by pydantic, which writes `null` for NaN
# and for infinity. The status is 200, the document still says "number" and required, and the service's own model
# refuses the response. `Field(allow_inf_nan=False)` makes it an error at the service again.
#
# Output:
#   the document: {"type": "number", "title": "Average"}, required ["average"]
#   a dict with NaN, no return type: ValueError
#   a model with NaN: 200 {"average":null}; read with the same model: float_type
#   a model with infinity: 200 {"average":null}; read with the same model: float_type
#   a model with NaN and allow_inf_nan=False: ResponseValidationError
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/averages.py" <<'PROGRAM'
import json
import math
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import ResponseValidationError
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field, ValidationError


class Report(BaseModel):
    average: float


class Checked(BaseModel):
    average: float = Field(allow_inf_nan=False)


app = FastAPI()


@app.get("/dict")
async def a_dict():
    return {"average": math.nan}


@app.get("/model")
async def model() -> Report:
    return Report(average=math.nan)


@app.get("/infinity")
async def infinity() -> Report:
    return Report(average=math.inf)


@app.get("/checked", response_model=Checked)
async def checked() -> Any:
    return {"average": math.nan}


def ask(path: str) -> str:
    try:
        response = TestClient(app).get(path)
    except (ValueError, ResponseValidationError) as error:
        return type(error).__name__
    try:
        Report.model_validate_json(response.content)
        read = "a number"
    except ValidationError as error:
        read = error.errors()[0]["type"]
    return f"{response.status_code} {response.text}; read with the same model: {read}"


document = app.openapi()["components"]["schemas"]["Report"]
print(f"the document: {json.dumps(document['properties']['average'])}, required {json.dumps(document['required'])}")
print("a dict with NaN, no return type:", ask("/dict"))
print("a model with NaN:", ask("/model"))
print("a model with infinity:", ask("/infinity"))
print("a model with NaN and allow_inf_nan=False:", ask("/checked"))
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    fastapi==0.165.0 pydantic==2.14.4 httpx2==2.16.2
found=$("$folder/venv/bin/python" "$folder/averages.py")
echo "$found"
[[ $found == 'the document: {"type": "number", "title": "Average"}, required ["average"]
a dict with NaN, no return type: ValueError
a model with NaN: 200 {"average":null}; read with the same model: float_type
a model with infinity: 200 {"average":null}; read with the same model: float_type
a model with NaN and allow_inf_nan=False: ResponseValidationError' ]]
