#!/usr/bin/env bash
# Versions: pydantic-settings 2.16.3 with pydantic 2.14.4. Python 3.11.
#
# Belief: `nested_model_default_partial_update=True` keeps the fields of a default that no variable names: with
# `STORE__REGION` set, all other fields of `store` are those of the default object.
#
# Observed: the default object is dumped to plain values, merged with the variables, and validated once more. Each type
# whose output is not its own input then fails or changes, as soon as any other field of the group is set. A `Json` field
# ends the start with an error about a field which nobody has set. A validator that converts percent into a fraction
# divides by 100 again, without a word. Without variables all is as written, so tests of the defaults stay green.
#
# Output:
#   no variable: labels={'a': 'b'}, share=0.5
#   STORE__REGION: labels: JSON input should be string, bytes or bytearray
#   STORE__REGION, without labels: region=south, share=0.005
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/defaults.py" <<'PROGRAM'
import os
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Json, ValidationError
from pydantic_settings import BaseSettings

PARTIAL = {"env_nested_delimiter": "__", "nested_model_default_partial_update": True}
Percent = Annotated[float, AfterValidator(lambda percent: percent / 100)]


class Small(BaseModel):
    region: str = "north"
    share: Percent = 0.0


class Store(Small):
    labels: Json[dict[str, Any]] = {}


def settings(default: BaseModel) -> BaseModel:
    fields = {"__annotations__": {"store": type(default)}, "store": default, "model_config": PARTIAL}
    return type("Settings", (BaseSettings,), fields)().store


whole, small = Store(labels='{"a": "b"}', share=50), Small(share=50)
found = settings(whole)
print(f"no variable: labels={found.labels}, share={found.share}")
os.environ["STORE__REGION"] = "south"
try:
    print("STORE__REGION:", settings(whole))
except ValidationError as error:
    print("STORE__REGION:", *(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()))
found = settings(small)
print(f"STORE__REGION, without labels: region={found.region}, share={found.share}")
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pydantic-settings==2.16.3 pydantic==2.14.4
found=$("$folder/venv/bin/python" "$folder/defaults.py")
echo "$found"
[[ $found == "no variable: labels={'a': 'b'}, share=0.5
STORE__REGION: labels: JSON input should be string, bytes or bytearray
STORE__REGION, without labels: region=south, share=0.005" ]]
