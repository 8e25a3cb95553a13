#!/usr/bin/env bash
# Versions: loguru 0.7.3. Python 3.11.
#
# Belief: `retention` of a sink removes the old files of that sink. A second sink without `retention`, such as an audit
# log, is kept for ever.
#
# Observed: the files are found by a pattern, `app*.log` with a dot after the name: for app.log it also matches
# app.audit.log. When app.log rotates, the audit log counts as one of its old files and is removed while its own sink
# has it open, with a number of files as soon as the audit log is the quietest, and with a time as soon as it was quiet
# for so long. Its sink reports no error and writes on into the removed file, so all later records are lost too. The
# documentation names the pattern but not this. Give each sink its own folder, or names that do not go on with a dot.
#
# Output, each time after app.log has rotated, and after one more record for each log:
#   retention=3: app.audit.log is gone, audit.log has 2 records
#   retention="10 days", all logs in use: app.audit.log has 2 records, audit.log has 2 records
#   retention="10 days", audit quiet for 11: app.audit.log is gone, audit.log has 2 records
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/logs.py" <<'PROGRAM'
import os
import sys
import time
from pathlib import Path

from loguru import logger

folder = Path(sys.argv[1])


def rotate(title: str, retention: int | str, quiet_days: int) -> None:
    place = folder / title
    audits = [place / "app.audit.log", place / "audit.log"]
    logger.remove()
    logger.add(place / "app.log", rotation=1000, retention=retention, filter=lambda record: not record["extra"])
    for path in audits:
        logger.add(path, filter=lambda record: record["extra"])
    logger.bind(audit=True).info("payment 1")
    for path in audits:
        then = time.time() - quiet_days * 24 * 3600 - 60
        os.utime(path, (then, then))
    for _ in range(60):
        logger.info("something to say, and a hundred more characters".ljust(150, "."))
    logger.bind(audit=True).info("payment 2")
    said = [f"has {len(path.read_text().splitlines())} records" if path.exists() else "is gone" for path in audits]
    print(f"{title}: app.audit.log {said[0]}, audit.log {said[1]}")


rotate("retention=3", 3, quiet_days=0)
rotate('retention="10 days", all logs in use', "10 days", quiet_days=0)
rotate('retention="10 days", audit quiet for 11', "10 days", quiet_days=11)
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check loguru==0.7.3
found=$("$folder/venv/bin/python" "$folder/logs.py" "$folder")
echo "$found"
[[ $found == 'retention=3: app.audit.log is gone, audit.log has 2 records
retention="10 days", all logs in use: app.audit.log has 2 records, audit.log has 2 records
retention="10 days", audit quiet for 11: app.audit.log is gone, audit.log has 2 records' ]]
