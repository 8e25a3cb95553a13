#!/usr/bin/env bash
# Versions: pytest 9.2.0 with pytest-xdist 3.8.0. Python 3.11.
#
# Belief: a test whose worker process dies, as of a crash in C code or of pytest-timeout's `thread` method, is reported
# as failed and not started again; a new worker runs the tests after it.
#
# Observed: so it is with the default `--dist=load`. With `--dist=loadfile` and `loadscope` the new worker begins again
# with the test that killed the last one, which kills it too. The test runs until the limit of restarts is reached, by
# default four for each worker: 33 times under `-n 8`, each time with its effects and as one more failure. The tests
# after it in the file never run, and no report names them.
#
# Output:
#   load: the test ran 1 time, the test after it 1 time, 1 failed, 2 passed
#   loadfile: the test ran 6 times, the test after it 0 times, 6 failed, 1 passed
#   loadscope: the test ran 6 times, the test after it 0 times, 6 failed, 1 passed
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/tests"
cat > "$folder/tests/test_file.py" <<'TEST'
import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def note(request):
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(f"{request.node.name}\n")


def test_before():
    pass


def test_that_ends_its_process():
    os._exit(1)


def test_after():
    pass
TEST

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pytest==9.2.0 pytest-xdist==3.8.0

times() {
    local count
    count=$(grep -c "^$1\$" "$folder/notes" || true)
    echo "$count time$([[ $count == 1 ]] || echo s)"
}
run_with() {
    rm -f "$folder/notes"
    summary=$(cd "$folder" && NOTES="$folder/notes" venv/bin/python -m pytest -q -n 2 --max-worker-restart=5 \
        "--dist=$1" tests | grep -oE '[0-9]+ failed, [0-9]+ passed' || true)
    echo "$1: the test ran $(times test_that_ends_its_process), the test after it $(times test_after), $summary"
}
found=$(for way in load loadfile loadscope; do run_with "$way"; done)
echo "$found"
[[ $found == $'load: the test ran 1 time, the test after it 1 time, 1 failed, 2 passed
loadfile: the test ran 6 times, the test after it 0 times, 6 failed, 1 passed
loadscope: the test ran 6 times, the test after it 0 times, 6 failed, 1 passed' ]]
