"""The processor and how much of it a process may use, on recorded machines."""

from __future__ import annotations

import pytest

from litepose_edge.measure.machine.limits import Limits
from litepose_edge.measure.machine.processor import describe_processor
from litepose_edge.measure.machine.sysfs import Sysfs
from litepose_edge.threads import cgroup_quota
from recorded_machines import CORE, RASPBERRY_PI_4, ROCK_5, X86, recorded_files, recorded_processor


def test_an_x86_tells_its_name_and_whether_it_has_vnni(tmp_path):
    found = recorded_processor(tmp_path, X86, "x86_64")
    assert found.name == "Fast CPU"
    assert found.features["avx512_vnni"]
    assert not found.features["avx_vnni"]


def test_an_arm_is_named_by_its_cores(tmp_path):
    assert recorded_processor(tmp_path, RASPBERRY_PI_4, "aarch64").name == "4 x Cortex-A72"
    assert recorded_processor(tmp_path, ROCK_5, "aarch64").name == "4 x Cortex-A55, 4 x Cortex-A76"


def test_an_arm_tells_whether_it_has_dot_products(tmp_path):
    assert not recorded_processor(tmp_path, RASPBERRY_PI_4, "aarch64").features["dotprod"]
    features = recorded_processor(tmp_path, ROCK_5, "aarch64").features
    assert features["dotprod"]
    assert not features["i8mm"]


def test_an_unknown_core_is_called_by_its_number(tmp_path):
    name = recorded_processor(tmp_path, CORE.format(0, "", "0x61", "0x022"), "aarch64").name
    assert name == "1 x core 0x022 of implementer 0x61"


def test_an_emulated_arm_is_not_taken_for_the_x86_below_it(tmp_path):
    assert recorded_processor(tmp_path, X86, "aarch64").features is None


def test_a_mac_is_asked_by_sysctl(tmp_path):
    answers = {"machdep.cpu.brand_string": "Apple M2", "hw.optional.arm.FEAT_DotProd": "1"}
    found = describe_processor(Sysfs(tmp_path), "arm64", answers.get)
    assert found.name == "Apple M2"
    assert found.is_arm
    assert found.features == {"dotprod": True}


def test_a_machine_that_shows_nothing_has_a_name_all_the_same(tmp_path):
    found = describe_processor(Sysfs(tmp_path), "AMD64", lambda _: None)
    assert found.name
    assert found.features is None


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        (
            {
                "proc/self/cgroup": "0::/user/app\n",
                "sys/fs/cgroup/user/app/cpu.max": "max 100000\n",
                "sys/fs/cgroup/user/cpu.max": "50000 100000\n",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/docker/1\n1:memory:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            2.0,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        ({"proc/self/cgroup": "nonsense", "sys/fs/cgroup/cpu.max": "1 2 3"}, None),
    ],
)
def test_the_tightest_control_group_counts(tmp_path, files, quota):
    assert cgroup_quota(recorded_files(tmp_path, files).optional) == quota


@pytest.mark.parametrize(
    ("limits", "usable"),
    [
        (Limits(cpus=8, affinity=(0, 1, 2), quota=None), 3),
        (Limits(cpus=8, affinity=None, quota=None), 8),
        (Limits(cpus=8, affinity=(0, 1, 2), quota=1.5), 2),
        (Limits(cpus=8, affinity=None, quota=0.2), 1),
        (Limits(cpus=2, affinity=None, quota=6.0), 2),
    ],
)
def test_threads_are_those_that_can_work_at_once(limits, usable):
    assert limits.usable == usable
