"""Counts the memory blocks that Python allocates, with a small C library, as Python has no such counter."""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


@cache
def counter() -> Callable[[], int]:
    """Compile the C library that counts allocations, and return a function that returns the count from now on."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "allocations.so"
        compiler = shutil.which("cc") or "cc"
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, SOURCE], check=True)
        loaded = ctypes.CDLL(str(library))  # the loaded library stays usable when its temporary file is deleted
    loaded.count.restype = ctypes.c_ulong
    loaded.begin()
    count: Callable[[], int] = loaded.count
    return count
