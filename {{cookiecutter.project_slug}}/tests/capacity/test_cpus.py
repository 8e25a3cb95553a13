"""The number of CPUs that a container may use is read from the quota files of the kernel's control groups."""

from pathlib import Path

import pytest

from app.capacity.cpus import available_cpus, smallest_quota

V1 = "4:memory:/\n1:cpu,cpuacct:/slice/unit\n"
V2 = "0::/slice/unit\n"


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("", {"cpu.max": "150000 100000\n"}, 1.5),
        ("", {"cpu.max": "max 100000\n"}, None),
        ("", {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3.0),
        ("", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("", {}, None),
        (V2, {"slice/unit/cpu.max": "100000 100000\n"}, 1.0),
        (V2, {"slice/unit/cpu.max": "max 100000\n", "slice/cpu.max": "200000 100000\n"}, 2.0),
        (V2, {"slice/unit/cpu.max": "400000 100000\n", "slice/cpu.max": "200000 100000\n"}, 2.0),
        (V1, {"cpu/slice/unit/cpu.cfs_quota_us": "100000\n", "cpu/slice/unit/cpu.cfs_period_us": "100000\n"}, 1.0),
        ("0::/../../host\n", {"cpu.max": "150000 100000\n"}, 1.5),
    ],
)
def test_the_smallest_quota_of_the_cgroup_and_its_parents_is_read(
    tmp_path: Path, membership: str, files: dict[str, str], quota: float | None
) -> None:
    (tmp_path / "membership").write_text(membership, encoding="ascii")
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(content, encoding="ascii")

    assert smallest_quota(tmp_path, tmp_path / "membership") == quota


def test_half_a_cpu_is_one_worker(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n", encoding="ascii")

    assert available_cpus(tmp_path, tmp_path / "nowhere") == 1
