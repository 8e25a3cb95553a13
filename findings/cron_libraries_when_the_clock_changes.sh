#!/usr/bin/env bash
# Versions: croniter 7.0.0, cronsim 2.8, pycron 3.3.0, apscheduler 3.11.3. Python 3.11.
#
# Belief: a daily job "30 2 * * *" in the time zone Europe/Berlin runs once on each day, also on the two days on which
# the clock changes, as under the usual cron daemons; a library that is given a time zone takes care of that.
#
# Observed: only cronsim runs it once on both days. On the day when 02:30 comes twice, croniter, pycron and apscheduler
# run it twice, so a nightly invoice is sent twice. On the day without a 02:30, pycron, which taskiq's scheduler uses,
# never runs it; croniter and cronsim run it at 03:00 and apscheduler at 03:30.
#
# Output:
#   cronsim: spring 03:00, autumn 02:30+0200
#   croniter: spring 03:00, autumn 02:30+0200 02:30+0100
#   pycron: spring never, autumn 02:30+0200 02:30+0100
#   apscheduler: spring 03:30, autumn 02:30+0200 02:30+0100
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/runs.py" <<'PROGRAM'
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pycron
from apscheduler.triggers.cron import CronTrigger
from croniter import croniter
from cronsim import CronSim

ZONE = ZoneInfo("Europe/Berlin")
DAILY = "30 2 * * *"


def with_cronsim(start: datetime) -> Iterator[datetime]:
    yield from CronSim(DAILY, start)


def with_croniter(start: datetime) -> Iterator[datetime]:
    yield from croniter(DAILY, start, ret_type=datetime)


def with_pycron(start: datetime) -> Iterator[datetime]:
    minute = start.astimezone(UTC)
    while True:
        if pycron.is_now(DAILY, minute.astimezone(ZONE)):
            yield minute
        minute += timedelta(minutes=1)


def with_apscheduler(start: datetime) -> Iterator[datetime]:
    trigger, last, now = CronTrigger.from_crontab(DAILY, ZONE), None, start
    while (run := trigger.get_next_fire_time(last, now)) is not None:
        yield run
        last, now = run, (run.astimezone(UTC) + timedelta(seconds=1)).astimezone(ZONE)


def runs(library, day: int, month: int, form: str) -> str:
    start, end = (datetime(2026, month, day, 0, 0, tzinfo=ZONE) + timedelta(days=days) for days in (0, 1))
    found = []
    for run in library(start):
        if run.timestamp() >= end.timestamp():
            return " ".join(found) or "never"
        found.append(run.astimezone(UTC).astimezone(ZONE).strftime(form))


for library in (with_cronsim, with_croniter, with_pycron, with_apscheduler):
    spring, autumn = runs(library, 29, 3, "%H:%M"), runs(library, 25, 10, "%H:%M%z")
    print(f"{library.__name__.removeprefix('with_')}: spring {spring}, autumn {autumn}")
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    croniter==7.0.0 cronsim==2.8 pycron==3.3.0 apscheduler==3.11.3 tzdata==2026.6
found=$("$folder/venv/bin/python" "$folder/runs.py")
echo "$found"
[[ $found == $'cronsim: spring 03:00, autumn 02:30+0200
croniter: spring 03:00, autumn 02:30+0200 02:30+0100
pycron: spring never, autumn 02:30+0200 02:30+0100
apscheduler: spring 03:30, autumn 02:30+0200 02:30+0100' ]]
