#!/usr/bin/env bash
# Versions: pydantic 2.14.4. Python 3.11.
#
# Belief: with `validate_assignment=True` an assignment that raises ValidationError changes nothing, so code may try a
# change, report the error and go on with the old object.
#
# Observed: this holds for the checks of the field. When a `model_validator(mode="after")` refuses, the error is raised
# and the refused value stays in the object: it breaks its own rule, and the next assignment to any other field is
# refused for it. A PATCH that answers 422 has changed a shared or cached object all the same. A check in a
# `field_validator`, or a new object by `model_validate`, leaves the old value.
#
# Output:
#   the field refuses: ValidationError, start=1 end=5 title='sprint'
#   the model refuses: ValidationError, start=1 end=0 title='sprint'
#   then a good title: ValidationError, start=1 end=0 title='holiday'
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/assignments.py" <<'PROGRAM'
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator


class Period(BaseModel):
    model_config = ConfigDict(validate_assignment=True)
    start: int
    end: int = Field(ge=0)
    title: str

    @model_validator(mode="after")
    def ends_after_its_start(self) -> Self:
        if self.end < self.start:
            raise ValueError("a period ends after its start")
        return self


period = Period(start=1, end=5, title="sprint")


def assign(name: str, value: object) -> str:
    try:
        setattr(period, name, value)
    except ValidationError as error:
        return f"{type(error).__name__}, {period}"
    return f"no error, {period}"


print("the field refuses:", assign("end", -1))
print("the model refuses:", assign("end", 0))
print("then a good title:", assign("title", "holiday"))
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pydantic==2.14.4
found=$("$folder/venv/bin/python" "$folder/assignments.py")
echo "$found"
[[ $found == $'the field refuses: ValidationError, start=1 end=5 title=\'sprint\'
the model refuses: ValidationError, start=1 end=0 title=\'sprint\'
then a good title: ValidationError, start=1 end=0 title=\'holiday\'' ]]
