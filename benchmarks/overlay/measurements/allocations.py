"""Count of the blocks of memory that Python allocates; a small C library counts them, as Python itself does not."""

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
    """Compile the library, and return the function that tells the allocations of this process from now on."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "allocations.so"
        compiler = shutil.which("cc") or "cc"
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, SOURCE], check=True)
        loaded = ctypes.CDLL(str(library))  # stays loaded without its file
    loaded.count.restype = ctypes.c_ulong
    loaded.begin()
    count: Callable[[], int] = loaded.count
    return count
