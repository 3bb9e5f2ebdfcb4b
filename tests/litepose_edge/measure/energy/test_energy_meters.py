"""Finding energy meters in recorded and made-up trees of /sys."""

from __future__ import annotations

import os
import threading
import time
from itertools import combinations

import pytest

from litepose_edge.measure.energy import find_meters
from litepose_edge.measure.energy.pi5 import watts
from litepose_edge.measure.energy.rapl import Zone, overlap
from litepose_edge.measure.machine.sysfs import Sysfs

RANGE_UJ = 262143328850
LAPTOP = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:0:1": "uncore",
    "intel-rapl:0:2": "dram",
    "intel-rapl:1": "psys",
    "intel-rapl-mmio:0": "package-0",
}
SERVER = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "dram",
    "intel-rapl:1": "package-1",
    "intel-rapl:1:0": "dram",
}
PI5 = """ 3V7_WL_SW_A current(0)=0.10000000A
   VDD_CORE_A current(7)=2.00000000A
      HDMI_A current(22)=0.01000000A
 3V7_WL_SW_V volt(8)=3.70000000V
   VDD_CORE_V volt(15)=0.90000000V
      HDMI_V volt(23)=5.10000000V
    EXT5V_V volt(24)=5.10000000V
      BATT_V volt(25)=0.00000000V
"""


class Locked(Sysfs):
    """A machine whose counters only root may read; permissions mean nothing to root's tests."""

    def text(self, path):
        if path.endswith("energy_uj") and "max_" not in path:
            raise PermissionError(13, "Permission denied", f"/{path}")
        return super().text(path)


def tree(root, files):
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"{content}\n")
    return root


def rapl(root, zones, energy_uj=1_000_000, range_uj=RANGE_UJ):
    for folder, name in zones.items():
        base = f"sys/class/powercap/{folder}"
        tree(root, {f"{base}/name": name, f"{base}/energy_uj": energy_uj})
        if range_uj is not None:
            tree(root, {f"{base}/max_energy_range_uj": range_uj})
    return root


def names(found):
    return [meter.about.name for meter in found.meters]


def reasons(found):
    return {missing.kind: missing.reason for missing in found.missing}


def test_a_machine_without_anything_has_a_reason_for_every_kind(tmp_path):
    found = find_meters(tmp_path)
    assert found.meters == ()
    assert reasons(found).keys() == {"rapl", "hwmon", "ina3221", "pi5", "battery"}
    assert "virtual machine" in reasons(found)["rapl"]


def test_on_this_machine_every_kind_is_a_meter_or_missing_with_a_reason():
    found = find_meters()
    kinds = {name.partition(":")[0] for name in (*names(found), *reasons(found))}
    assert kinds == {"rapl", "hwmon", "ina3221", "pi5", "battery"}
    assert all(reasons(found).values())
    for meter in found.meters:
        about = meter.about
        assert all((about.name, about.domain, about.resolution, about.uncertainty))


def test_rapl_zones_are_separate_meters_that_name_their_overlaps(tmp_path):
    found = find_meters(rapl(tmp_path, LAPTOP))
    assert names(found) == ["rapl:package-0", "rapl:psys", "rapl:core", "rapl:uncore", "rapl:dram"]
    domains = {meter.about.name: meter.about.domain for meter in found.meters}
    assert domains["rapl:package-0"].endswith("overlaps with core, psys, uncore")
    assert domains["rapl:dram"].endswith("overlaps with psys")


def test_several_packages_are_one_meter_and_memory_is_not_in_it(tmp_path):
    found = find_meters(rapl(tmp_path, SERVER))
    assert names(found)[0] == "rapl:packages"
    assert sorted(names(found)[1:]) == [
        "rapl:dram@0:0",
        "rapl:dram@1:0",
        "rapl:package-0",
        "rapl:package-1",
    ]
    meter = found.meters[0]
    meter.start()
    for package, joules in ((0, 4), (1, 6)):
        for zone in (f"intel-rapl:{package}", f"intel-rapl:{package}:0"):
            path = tmp_path / f"sys/class/powercap/{zone}/energy_uj"
            path.write_text(f"{1_000_000 + joules * 1_000_000}\n")
    assert meter.stop().joules == pytest.approx(10)


def test_zones_that_are_added_never_overlap():
    zones = [Zone(f"x/{folder}", name) for folder, name in (LAPTOP | SERVER).items()]
    for first, second in combinations(zones, 2):
        assert overlap(first, second) == overlap(second, first)
    package, core, dram = (
        Zone("x/a:0", "package-0"),
        Zone("x/a:0:0", "core"),
        Zone("x/a:0:1", "dram"),
    )
    assert overlap(package, core)
    assert not overlap(package, dram)
    assert not overlap(package, Zone("x/a:1", "package-1"))
    assert not overlap(core, Zone("x/a:0:1", "uncore"))
    assert overlap(Zone("x/a:2", "psys"), package)


def test_a_rapl_counter_that_wraps_during_the_window_is_right(tmp_path):
    found = find_meters(rapl(tmp_path, {"intel-rapl:0": "package-0"}, RANGE_UJ - 2_000_000))
    meter = found.meters[0]
    meter.start()
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").write_text("3000000\n")
    assert meter.stop().joules == pytest.approx(5.0)


@pytest.mark.parametrize("range_uj", [RANGE_UJ, None])
def test_a_rapl_counter_that_is_reset_gives_no_joules(tmp_path, range_uj):
    found = find_meters(rapl(tmp_path, {"intel-rapl:0": "package-0"}, 9_000_000, range_uj))
    meter = found.meters[0]
    meter.start()
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").write_text("0\n")
    energy = meter.stop()
    assert energy.joules is None
    assert "reset" in energy.reason


def test_a_rapl_counter_that_vanishes_gives_no_joules(tmp_path):
    found = find_meters(rapl(tmp_path, {"intel-rapl:0": "package-0"}))
    meter = found.meters[0]
    meter.start()
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").unlink()
    energy = meter.stop()
    assert energy.joules is None
    assert "reading failed" in energy.reason


def test_missing_permission_is_explained_with_the_command_that_helps(tmp_path):
    found = find_meters(sysfs=Locked(rapl(tmp_path, {"intel-rapl:0": "package-0"})))
    assert found.meters == ()
    reason = reasons(found)["rapl:package-0"]
    assert "root" in reason
    assert "sudo chmod a+r /sys/class/powercap/intel-rapl:0/energy_uj" in reason


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="file permissions do not bind root"
)
def test_a_counter_that_may_not_be_read_is_missing_for_want_of_permission(tmp_path):
    rapl(tmp_path, {"intel-rapl:0": "package-0"})
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").chmod(0)
    assert "root alone" in reasons(find_meters(tmp_path))["rapl:package-0"]


def test_a_zone_without_a_counter_is_missing_and_the_others_work(tmp_path):
    rapl(tmp_path, {"intel-rapl:0": "package-0", "intel-rapl:0:0": "core"})
    (tmp_path / "sys/class/powercap/intel-rapl:0:0/energy_uj").unlink()
    found = find_meters(tmp_path)
    assert names(found) == ["rapl:package-0"]
    assert "cannot be read" in reasons(found)["rapl:core"]


def test_an_ina_chip_is_found_by_name_whatever_its_number(tmp_path):
    tree(
        tmp_path,
        {
            "sys/class/hwmon/hwmon0/name": "coretemp",
            "sys/class/hwmon/hwmon11/name": "ina226",
            "sys/class/hwmon/hwmon11/power1_input": 3_500_000,
            "sys/class/hwmon/hwmon11/in1_input": 5000,
            "sys/class/hwmon/hwmon11/curr1_input": 700,
        },
    )
    found = find_meters(tmp_path)
    assert names(found) == ["hwmon:ina226:power1"]
    meter = found.meters[0]
    meter.start()
    time.sleep(0.05)
    energy = meter.stop()
    assert energy.joules == pytest.approx(3.5 * energy.seconds)
    assert "shunt" in meter.about.uncertainty


def test_an_ina_chip_without_power_multiplies_volts_and_amperes(tmp_path):
    tree(
        tmp_path,
        {
            "sys/class/hwmon/hwmon0/name": "ina219",
            "sys/class/hwmon/hwmon0/in1_input": 5000,
            "sys/class/hwmon/hwmon0/curr1_input": 700,
            "sys/class/hwmon/hwmon0/in1_label": "supply",
            "sys/class/hwmon/hwmon0/curr2_input": 900,
        },
    )
    found = find_meters(tmp_path)
    assert names(found) == ["hwmon:ina219:supply"]
    meter = found.meters[0]
    meter.start()
    time.sleep(0.05)
    energy = meter.stop()
    assert energy.joules == pytest.approx(3.5 * energy.seconds)


def test_energy_counters_of_hwmon_count_and_core_counters_are_left_out(tmp_path):
    folder = "sys/class/hwmon/hwmon3"
    tree(
        tmp_path,
        {
            f"{folder}/name": "amd_energy",
            f"{folder}/energy1_input": 5_000_000,
            f"{folder}/energy1_label": "Ecore000",
            f"{folder}/energy65_input": 100_000_000,
            f"{folder}/energy65_label": "Esocket0",
        },
    )
    found = find_meters(tmp_path)
    assert names(found) == ["hwmon:amd_energy:Esocket0"]
    meter = found.meters[0]
    meter.start()
    (tmp_path / folder / "energy65_input").write_text("107000000\n")
    assert meter.stop().joules == pytest.approx(7)


def test_chips_without_power_are_named_in_the_reason(tmp_path):
    tree(tmp_path, {"sys/class/hwmon/hwmon0/name": "k10temp"})
    assert "k10temp" in reasons(find_meters(tmp_path))["hwmon"]


def test_a_jetson_reads_its_rails_the_whole_module_first(tmp_path):
    folder = "sys/class/hwmon/hwmon4"
    rails = {1: ("VDD_CPU_GPU_CV", 5000, 900), 2: ("VDD_IN", 5000, 1600), 3: ("VDD_SOC", 5000, 300)}
    files = {f"{folder}/name": "ina3221", f"{folder}/in7_label": "sum of shunt voltages"}
    for channel, (label, millivolts, milliamperes) in rails.items():
        files[f"{folder}/in{channel}_label"] = label
        files[f"{folder}/in{channel}_input"] = millivolts
        files[f"{folder}/curr{channel}_input"] = milliamperes
    files[f"{folder}/curr4_input"] = 2800
    files[f"{folder}/in4_input"] = 9
    found = find_meters(tree(tmp_path, files))
    assert names(found) == ["ina3221:VDD_IN", "ina3221:VDD_CPU_GPU_CV", "ina3221:VDD_SOC"]
    assert "other rails included" in found.meters[0].about.domain
    meter = found.meters[0]
    meter.start()
    time.sleep(0.05)
    energy = meter.stop()
    assert energy.joules == pytest.approx(8.0 * energy.seconds)


def test_a_switched_off_channel_is_left_out(tmp_path):
    folder = "sys/class/hwmon/hwmon4"
    files = {f"{folder}/name": "ina3221", f"{folder}/in1_enable": 0}
    files |= {f"{folder}/in1_input": 0, f"{folder}/curr1_input": 0}
    assert "ina3221" in reasons(find_meters(tree(tmp_path, files)))


def test_an_older_jetson_shows_its_rails_through_iio(tmp_path):
    folder = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    files = {f"{folder}/rail_name_0": "POM_5V_IN", f"{folder}/in_power0_input": 4200}
    found = find_meters(tree(tmp_path, files))
    assert names(found) == ["ina3221:POM_5V_IN"]
    meter = found.meters[0]
    meter.start()
    time.sleep(0.05)
    energy = meter.stop()
    assert energy.joules == pytest.approx(4.2 * energy.seconds)


def test_a_pi_5_sums_volts_times_amperes_of_rails_that_have_both(tmp_path):
    tree(tmp_path, {"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0"})
    assert watts(PI5) == pytest.approx(0.37 + 1.8 + 0.051)
    found = find_meters(tmp_path, ask_pi=lambda: PI5)
    assert names(found) == ["pi5:pmic"]
    assert "USB" in found.meters[0].about.domain


def test_the_short_form_of_the_pi_s_report_is_read_as_well():
    assert watts("VDD_CORE_A=2.0A\nVDD_CORE_V=0.9V\n") == pytest.approx(1.8)


@pytest.mark.parametrize("report", ["", "error=1 error_msg='Command not registered'", "A_V=1.0V"])
def test_a_pi_that_does_not_answer_is_missing(tmp_path, report):
    tree(tmp_path, {"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0"})
    assert "no reading" in reasons(find_meters(tmp_path, ask_pi=lambda: report))["pi5"]


def test_a_pi_4_has_no_current_sensors_and_the_reason_says_so(tmp_path):
    tree(tmp_path, {"proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0"})
    found = find_meters(tmp_path, ask_pi=lambda: PI5)
    assert found.meters == ()
    assert "Raspberry Pi 4 Model B Rev 1.4 has no current sensors" in reasons(found)["pi5"]


@pytest.mark.parametrize(
    "files",
    [
        {"power_now": 12_500_000},
        {"current_now": -1_000_000, "voltage_now": 12_500_000},
    ],
)
def test_a_battery_that_is_discharged_is_a_meter(tmp_path, files):
    folder = "sys/class/power_supply/BAT0"
    files = {"type": "Battery", "status": "Discharging", **files}
    mouse = {"sys/class/power_supply/hidpp0/type": "Battery"}
    mouse["sys/class/power_supply/hidpp0/scope"] = "Device"
    tree(tmp_path, {**mouse, **{f"{folder}/{name}": value for name, value in files.items()}})
    found = find_meters(tmp_path)
    assert names(found) == ["battery:BAT0"]
    meter = found.meters[0]
    meter.start()
    time.sleep(0.05)
    energy = meter.stop()
    assert energy.joules == pytest.approx(12.5 * energy.seconds)


def test_a_battery_on_mains_is_no_meter_and_plugging_in_spoils_the_window(tmp_path):
    folder = "sys/class/power_supply/BAT0"
    files = {"type": "Battery", "status": "Charging", "power_now": 9_000_000}
    tree(tmp_path, {f"{folder}/{name}": value for name, value in files.items()})
    assert "pull the plug" in reasons(find_meters(tmp_path))["battery:BAT0"]
    status = tmp_path / folder / "status"
    status.write_text("Discharging\n")
    meter = find_meters(tmp_path).meters[0]
    meter.start()
    status.write_text("Charging\n")
    energy = meter.stop()
    assert energy.joules is None
    assert "'Charging'" in energy.reason


def test_a_battery_is_not_counted_again_as_a_chip(tmp_path):
    battery = {"type": "Battery", "status": "Discharging", "power_now": 1_000_000}
    files = {f"sys/class/power_supply/BAT0/{name}": value for name, value in battery.items()}
    files["sys/class/hwmon/hwmon2/name"] = "BAT0"
    files["sys/class/hwmon/hwmon2/power1_input"] = 1_000_000
    assert names(find_meters(tree(tmp_path, files))) == ["battery:BAT0"]


def test_a_meter_leaves_no_thread_behind(tmp_path):
    before = threading.active_count()
    meter = find_meters(rapl(tmp_path, {"intel-rapl:0": "package-0"})).meters[0]
    for _ in range(3):
        meter.start()
        meter.stop()
    assert threading.active_count() == before
