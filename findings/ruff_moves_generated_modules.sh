#!/usr/bin/env bash
# Versions: ruff 0.17.5. Python 3.11.
#
# Belief: ruff's import order depends on the code alone. The folder `kit/` with an `__init__.py` lies beside the file that
# imports it, so each module of the package `kit` is first-party.
#
# Observed: ruff looks for the file of each module. `kit.version` is first-party while `kit/version.py` exists, and
# third-party when it does not. A module that a build writes and git ignores (a version, a client from a schema, protobuf
# code) is there on a developer's machine and missing in a fresh clone: the same commit passes on one and fails on the
# other, and `--fix` tears the package into two groups. `known-first-party = ["kit"]` makes both agree.
#
# Output:
#   with the generated file: passes
#   without the generated file: I001
#   without it, with known-first-party: passes
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check ruff==0.17.5

mkdir -p "$folder/project/kit"
cd "$folder/project"
touch kit/__init__.py kit/tools.py kit/version.py
printf 'import sys\n\nimport numpy\n\nimport kit.tools\nimport kit.version\n\nprint(sys, numpy, kit)\n' > program.py

judge() {
    local label=$1
    shift
    if "$folder/venv/bin/ruff" check --isolated --no-cache --select I --output-format concise "$@" program.py > "$folder/said"; then
        echo "$label: passes"
    else
        echo "$label: $(grep -o 'I001' "$folder/said" | sort -u)"
    fi
}

found=$(
    judge "with the generated file"
    rm kit/version.py
    judge "without the generated file"
    judge "without it, with known-first-party" --config 'lint.isort.known-first-party = ["kit"]'
)
echo "$found"
[[ $found == $'with the generated file: passes\nwithout the generated file: I001\nwithout it, with known-first-party: passes' ]]
