"""Look for calls that block the event loop, through helpers, dependencies and libraries: a step of `make lint`.

hydroid does the work, as `pyproject.toml` configures it. It is a compiled program, and some platforms have none.
"""

import shutil
import subprocess
import sys
from pathlib import Path

CLEAN, NOT_EXECUTABLE, NOT_FOUND = 0, 126, 127
"""The last two are a shell's words for a program that is not for this machine."""

ABSENT = "hydroid does not run on this platform: only ruff and the tests look for calls that block the event loop."


def main(programs: Path) -> int:
    """Run the hydroid of a folder, and return the exit code of this step."""
    program = shutil.which("hydroid", path=str(programs))
    command = [program or "", ".", "--no-cache", "--python", sys.prefix]
    try:
        code = subprocess.run(command, check=False).returncode
    except OSError:
        code = None
    if code in {None, NOT_EXECUTABLE, NOT_FOUND}:
        print(ABSENT)
        return CLEAN
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.executable).parent))
