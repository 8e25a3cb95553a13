#!/usr/bin/env bash
# Versions: pydantic 2.14.4. Python 3.11.
#
# Belief: `order.model_copy(update={"quantity": 10})` of a frozen model is a new object with its own computed fields. A
# `computed_field` over `cached_property` is the documented way to compute a dear one once.
#
# Observed: the copy takes the cached value of the original along when the original has been read or serialised before,
# and gives the old total with the new quantity, in `model_dump()` and in JSON. When the original was not read before,
# the same code is right, so a test passes and a log line before the copy breaks it. The wrong copy is equal to the
# right object. A plain property, or a new object by `model_validate`, is right.
#
# Output:
#   not read before the copy: {"price":2,"quantity":10,"total":20}
#   serialised before the copy: {"price":2,"quantity":10,"total":6}
#   the two are equal: True
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/copies.py" <<'PROGRAM'
from functools import cached_property

from pydantic import BaseModel, computed_field


class Order(BaseModel, frozen=True):
    price: int
    quantity: int

    @computed_field
    @cached_property
    def total(self) -> int:
        return self.price * self.quantity


fresh = Order(price=2, quantity=3).model_copy(update={"quantity": 10})
order = Order(price=2, quantity=3)
order.model_dump_json()
changed = order.model_copy(update={"quantity": 10})
print("not read before the copy:", fresh.model_dump_json())
print("serialised before the copy:", changed.model_dump_json())
print("the two are equal:", fresh == changed)
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pydantic==2.14.4
found=$("$folder/venv/bin/python" "$folder/copies.py")
echo "$found"
[[ $found == $'not read before the copy: {"price":2,"quantity":10,"total":20}
serialised before the copy: {"price":2,"quantity":10,"total":6}
the two are equal: True' ]]
