"""Switches off the defence named by the environment variable ABLATED, in every process of the service.

Python imports `sitecustomize` from PYTHONPATH when a process starts, so the defence is replaced before the service
imports it. The pytest process itself keeps the defence.
"""

import os
import sys
import traceback
from functools import reduce
from importlib import import_module


def replace(part: str, replacement: str) -> None:
    """Replace a defence, `module:name` or a setting of gunicorn.conf.py, by its replacement."""
    file, _, name = replacement.rpartition(".")
    value = getattr(import_module(file or "replacements"), name)()
    module, _, path = part.partition(":")
    if module == "gunicorn.conf":
        os.environ[path] = str(value)
        return
    *owners, last = path.split(".")
    owner = reduce(getattr, owners, import_module(module))
    getattr(owner, last)  # raises AttributeError if the defence was renamed; `setattr` alone would replace nothing
    setattr(owner, last, value)


ablated = os.environ.get("ABLATED")
if ablated and "pytest" not in sys.orig_argv:
    try:
        replace(*ablated.split("="))
    except Exception:  # noqa: BLE001 - Python ignores errors in sitecustomize, which would leave the defence on
        traceback.print_exc()
        os._exit(3)
