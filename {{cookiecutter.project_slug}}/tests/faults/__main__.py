"""Runs the fault tests and writes a report: `python -m tests.faults [ARGUMENTS OF PYTEST ...]`.

Without arguments all fault tests run.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from tests.databases import ROOT
from tests.faults import report
from tests.faults.timeline import FOLDER

REPORT = ROOT / ".devtools" / "faults"


def main(arguments: Sequence[str]) -> int:
    """Run pytest on the fault tests, write the report from `.devtools/faults`, and return pytest's exit code."""
    shutil.rmtree(REPORT, ignore_errors=True)
    timelines = REPORT / "timelines"
    timelines.mkdir(parents=True)
    command = [sys.executable, "-m", "pytest", "-v", *(arguments or ["tests/faults"])]
    code = subprocess.run(command, cwd=ROOT, env={**os.environ, FOLDER: str(timelines)}, check=False).returncode
    written = report.write(report.read(timelines), REPORT)
    sys.stdout.write("".join(f"report: {file.as_uri()}\n" for file in written))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
