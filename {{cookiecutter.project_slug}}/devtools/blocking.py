"""Look for calls that block the event loop, through helpers, dependencies and libraries: a step of `make lint`.

hydroid does the work, as `pyproject.toml` configures it. It is a compiled program, and some platforms have none.
"""

import shutil
import subprocess
import sys
from pathlib import Path

CLEAN, FOUND, FAILED = 0, 1, 2
"""The exit codes that hydroid has of its own; any other says that it could not run."""

ABSENT = "hydroid does not run on this platform: only ruff and the tests look for calls that block the event loop."


def main(programs: Path) -> int:
    """Run the hydroid of a folder, and return the exit code of this step."""
    program = shutil.which("hydroid", path=str(programs))
    command = [program or "", ".", "--no-cache", "--python", sys.prefix]
    try:
        code = subprocess.run(command, check=False).returncode
    except OSError:
        code = None
    if code not in {CLEAN, FOUND, FAILED}:
        print(ABSENT)
        return CLEAN
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.executable).parent))
