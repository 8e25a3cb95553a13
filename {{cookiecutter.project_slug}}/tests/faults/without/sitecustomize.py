"""Leaves a defence out of the processes that `python -m tests.faults.ablate` starts.

Python imports a module of this name by itself when it starts, if its folder is on PYTHONPATH: before the service is
composed, and in every process of it. The tests themselves are left as they are.
"""

import os
import sys

name = os.environ.get("WITHOUT")
if name and "pytest" not in sys.orig_argv:
    from defences import leave_out  # type: ignore[import-not-found] # this folder is on PYTHONPATH

    leave_out(name)
