"""Counts the CPUs that this process may use, by CPU affinity and cgroup quotas, instead of all CPUs of the host."""

import os
from collections.abc import Iterator
from math import floor
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
"""The kernel's list of this process' cgroups: a line `0::/path` for version 2, and `4:cpu,cpuacct:/path` for version 1.
In a container the path is `/`, or a path of the host that does not exist in the container."""


def available_cpus(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Return the number of CPUs that CPU affinity and the quotas of cgroups allow, rounded down, at least 1."""
    # macOS and Windows have no CPU affinity: a process may use all CPUs of the host
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = smallest_quota(cgroups, membership)
    return allowed if quota is None else max(1, min(allowed, floor(quota)))


def smallest_quota(cgroups: Path, membership: Path) -> float | None:
    """Return the smallest CPU quota of this process' cgroup and the parent cgroups, None without a quota.

    A quota is often set on a parent, as systemd's CPUQuota on a slice.
    """
    quotas = [cgroup_quota(folder) for folder in _folders(cgroups, membership)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _folders(cgroups: Path, membership: Path) -> Iterator[Path]:
    """Yield the folders of the cgroups whose quota may limit this process, for cgroup versions 1 and 2."""
    yield from (cgroups, cgroups / "cpu")
    for line in _read(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            root = cgroups / "cpu" if controllers else cgroups
            inner = root / path.lstrip("/")
            yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(root))


def cgroup_quota(folder: Path) -> float | None:
    """Return the CPU quota of the cgroup in a folder as a number of CPUs, None without a quota.

    cgroup v2 has the quota and the period in one file, `cpu.max` (see the kernel's document cgroup-v2). cgroup v1 has a
    file for the quota and a file for the period.
    """
    version_2 = _read(folder / "cpu.max").split()
    version_1 = [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    for quota, period in (version_2 or ("", ""), version_1):
        if quota.isdecimal() and period.isdecimal() and int(period) > 0:
            return int(quota) / int(period)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
