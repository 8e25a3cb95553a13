"""How many CPUs this process may really use: the container's share, not the host's count."""

import os
from math import floor
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")


def available_cpus(cgroup: Path = CGROUP_ROOT) -> int:
    """Return the CPUs that affinity and the cgroup's quota allow, rounded down, at least 1."""
    # macOS and Windows have no affinity
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota(cgroup)
    return allowed if quota is None else max(1, min(allowed, floor(quota)))


def cgroup_quota(cgroup: Path) -> float | None:
    """Return the CPUs of the cgroup's quota, None when there is none.

    Source: the kernel's cgroup-v2 document, `cpu.max` ("quota period"); version 1 splits it over two files.
    """
    version_2 = _read(cgroup / "cpu.max").split()
    version_1 = [_read(cgroup / "cpu" / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    for quota, period in (version_2 or ("", ""), version_1):
        if quota.isdecimal() and period.isdecimal() and int(period) > 0:
            return int(quota) / int(period)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
