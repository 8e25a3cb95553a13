"""Leaves a defence out of the processes that `python -m tests.faults.ablate` starts.

Python imports a module of this name by itself when it starts, if its folder is on PYTHONPATH: before the service is
composed, and in every process of it. The tests themselves are left as they are.
"""

import os
import sys
import traceback
from functools import reduce
from importlib import import_module


def leave_out(part: str, instead: str) -> None:
    """Put something else in the place of a part: `module:name`, or a setting of gunicorn.conf.py."""
    stands_there = getattr(import_module("instead"), instead)()
    module, _, path = part.partition(":")
    if module == "gunicorn.conf":
        os.environ[path] = str(stands_there)
        return
    *owners, last = path.split(".")
    owner = reduce(getattr, owners, import_module(module))
    getattr(owner, last)  # raises when there is no such part any more
    setattr(owner, last, stands_there)


without = os.environ.get("WITHOUT")
if without and "pytest" not in sys.orig_argv:
    try:
        leave_out(*without.split("="))
    except Exception:  # noqa: BLE001 - Python would go on without it, and the service with the defence
        traceback.print_exc()
        os._exit(3)
