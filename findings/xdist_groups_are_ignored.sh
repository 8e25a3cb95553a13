#!/usr/bin/env bash
# Versions: pytest 9.2.0 with pytest-xdist 3.8.0, the newest of both; pytest 9.1.0 as the comparison. Python 3.11.
#
# Belief: with `-n 2 --dist=loadgroup`, all tests marked `xdist_group("database")` run in one worker, one after the
# other. Teams rely on it where tests share a server, a port or a file.
#
# Observed: with pytest 9.2.0 the mark has no effect. The tests of one group are spread over both workers and run at the
# same time; there is no warning and no error. xdist appends "@group" to an attribute of the test in each worker, and
# pytest 9.2.0 does not read that attribute any more, so the scheduler never sees a group. With pytest 9.1.0 the same
# command keeps the group together.
#
# Output:
#   pytest 9.1.0: the group ran in 1 worker
#   pytest 9.2.0: the group ran in 2 workers
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/tests"
cat > "$folder/tests/test_group.py" <<'TEST'
import os
import pathlib
import time

import pytest


@pytest.mark.xdist_group("database")
@pytest.mark.parametrize("number", range(12))
def test_in_a_group(number):
    time.sleep(0.1)  # long enough for the other worker to take a part
    worker = os.environ["PYTEST_XDIST_WORKER"]
    (pathlib.Path(os.environ["WORKERS"]) / worker).touch()
TEST

workers_with() {
    python3 -m venv "$folder/venv-$1"
    "$folder/venv-$1/bin/python" -m pip install --quiet --disable-pip-version-check "pytest==$1" pytest-xdist==3.8.0
    mkdir "$folder/workers-$1"
    (cd "$folder" && WORKERS="$folder/workers-$1" "venv-$1/bin/python" -m pytest -q -n 2 --dist=loadgroup tests >/dev/null)
    find "$folder/workers-$1" -type f | wc -l | tr -d ' '
}

before=$(workers_with 9.1.0)
after=$(workers_with 9.2.0)
echo "pytest 9.1.0: the group ran in $before worker"
echo "pytest 9.2.0: the group ran in $after workers"
[[ $before == 1 && $after == 2 ]]
