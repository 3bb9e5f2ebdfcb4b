"""What is recorded of a machine and its state."""

from __future__ import annotations

from litepose_edge.measure.machine.description import describe_machine
from litepose_edge.measure.machine.state import observe_state, pi_flags, warnings
from litepose_edge.measure.machine.sysfs import Sysfs
from recorded_machines import recorded_files


def test_a_machine_is_described_from_its_files(tmp_path):
    sysfs = recorded_files(
        tmp_path,
        {
            "proc/cpuinfo": "model name\t: Fast CPU\nflags\t: avx2 avx512_vnni hypervisor\n",
            "proc/loadavg": "1.50 1 1 2/300 99",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": 1_800_000,
            "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": 3,
            "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp",
            "sys/class/thermal/thermal_zone0/temp": 61_500,
            "sys/class/thermal/thermal_zone1/temp": "unreadable",
        },
    )
    machine, state = describe_machine(sysfs), observe_state(sysfs)
    assert machine.cpu == "Fast CPU"
    assert machine.virtual is True
    assert machine.isa == ("avx2", "avx512_vnni")
    assert machine.governor == ("powersave",)
    assert state.load == 1.5
    assert state.frequency_mhz == (1800,)
    assert state.temperature_c == {"x86_pkg_temp (thermal_zone0)": 61.5}
    assert state.throttle == {"core throttle events": 3}


def test_what_makes_figures_doubtful_is_warned_of(tmp_path):
    files = {
        "proc/cpuinfo": "model name\t: Fast CPU\nflags\t: hypervisor",
        "proc/loadavg": "9.00 1 1",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand",
        "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": 3,
    }
    sysfs = recorded_files(tmp_path, files)
    machine, before = describe_machine(sysfs), observe_state(sysfs)
    throttled = {"sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": 4}
    said = " ".join(warnings(machine, before, observe_state(recorded_files(tmp_path, throttled))))
    for word in ("governor is ondemand", "load 9.00", "core throttle events", "virtual"):
        assert word in said


def test_a_quiet_machine_gives_no_warnings(tmp_path):
    files = {"proc/cpuinfo": "flags\t: avx2", "proc/loadavg": "0.01 1 1"}
    files["sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"] = "performance"
    sysfs = recorded_files(tmp_path, files)
    state = observe_state(sysfs)
    assert warnings(describe_machine(sysfs), state, state) == []


def test_a_machine_without_files_is_described_as_far_as_it_can_be(tmp_path):
    machine, state = describe_machine(Sysfs(tmp_path)), observe_state(Sysfs(tmp_path))
    assert machine.cpu
    assert machine.virtual is None
    assert (state.load, state.frequency_mhz, state.temperature_c, state.throttle) == (
        None,
        (),
        {},
        {},
    )


def test_the_pi_s_throttle_flags_are_told_apart_from_those_of_the_past():
    flags = pi_flags("throttled=0x50005\n")
    assert flags["under-voltage"] == flags["throttled"] == 1
    assert flags["frequency capped"] == 0
    assert flags["under-voltage since start"] == flags["throttled since start"] == 1
    assert set(pi_flags("throttled=0x0").values()) == {0}
    assert pi_flags("") == {}
