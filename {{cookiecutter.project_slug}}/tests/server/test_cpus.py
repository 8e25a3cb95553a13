"""The CPUs that a container may use, from what the kernel's control groups say."""

from pathlib import Path

import pytest

from app.server.cpus import available_cpus, cgroup_quota


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_the_container_is_read(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="ascii")

    assert cgroup_quota(tmp_path) == quota


def test_half_a_cpu_is_one_worker(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n", encoding="ascii")

    assert available_cpus(tmp_path) == 1
