"""Leaves a defence out of the processes that `python -m tests.faults.ablate` starts.

Python imports a module of this name by itself when it starts, if its folder is on PYTHONPATH: before the service is
composed, and in every process of it. The tests themselves are left as they are.
"""

import os
import sys
import traceback

name = os.environ.get("WITHOUT")
if name and "pytest" not in sys.orig_argv:
    from defences import leave_out  # type: ignore[import-not-found] # in this folder; the package `tests` would take the service's settings away

    try:
        leave_out(name)
    except Exception:  # noqa: BLE001 - Python would go on without it, and the service with the defence
        traceback.print_exc()
        os._exit(3)
