"""The counts of instructions: marks to figures, what makes a row old, and the emulator itself."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from benchmarks.arm import counted, instructions, networks
from benchmarks.arm.boards import PROCESSORS
from benchmarks.arm.emulator import CannotCountError, Counts, Machine, read_marks
from benchmarks.arm.networks import Network, released_networks, structure_of
from benchmarks.arm.page import ratio_to_float, to_markdown
from litepose_edge.backends import bundled
from litepose_edge.backends.protobuf import fields, length_delimited
from litepose_edge.measure.machine.arm_instructions import (
    INT8_OF_FP32,
    describe_saving,
    int8_of_fp32,
)

TABLE = instructions.read(Path(instructions.ROOT, "docs"))


def marks(*steps):
    """The plug-in's lines: what each mark is, and how far the counts went since the one before."""
    totals, lines = [0] * 5, []
    for what, *step in steps:
        totals = [a + b for a, b in zip(totals, step or [0] * 5, strict=True)]
        lines.append(" ".join(map(str, [what, *totals])))
    return "\n".join(lines)


def frame(network):
    """A frame of two views, as the detector has."""
    view = [
        (counted.CROP, 7, 0, 0, 0, 0),
        (counted.RUN, 20, 0, 0, 1, 0),
        (counted.RAN, network, 5, 2, 3, 1),
    ]
    return [(counted.FRAME, 1000, 9, 9, 9, 9), *view, *view, (counted.END, 30, 0, 0, 0, 0)]


def row(name="net", precision="int8", network=1e6, **others):
    figures = {
        "crop": 2e4,
        "decode": 3e4,
        "dot": 5e5,
        "matrix": 0,
        "multiply_add": 0,
        "widening": 0,
    }
    row = {"processor": "Cortex-A76", "name": name, "precision": precision, "structure": "s"}
    return {**row, "network": network, **figures, "spread": 0.0, **others}


def test_a_frame_is_split_into_crop_network_and_the_rest():
    (found,) = read_marks(marks((counted.ITEM,), *frame(100)))
    assert (found.network, found.crop, found.decode) == (200, 40, 2 * 7 + 30)
    assert (found.dot, found.matrix, found.multiply_add, found.widening) == (10, 4, 6, 2)


def test_what_runs_between_networks_belongs_to_none():
    loading = [(counted.CROP, 10**9, 0, 0, 0, 0), (counted.RAN, 10**9, 1, 1, 1, 1)]
    lines = [(counted.ITEM,), *frame(100), *loading, (counted.ITEM,), *frame(300)]
    assert [found.network for found in read_marks(marks(*lines))] == [200, 600]


def test_frames_that_differ_are_said_to():
    (found,) = read_marks(marks((counted.ITEM,), *frame(100), *frame(101)))
    assert found.spread == pytest.approx(2 / 202)


def test_new_weights_are_the_same_structure_and_another_layer_is_not():
    content = bundled.find("lrpose-n", "int8").read_bytes()
    assert structure_of(content.replace(b'"scheme"', b'"SCHEME"')) == structure_of(content)
    middle = content.index(b"DequantizeLinear")
    other = content[:middle] + b"XequantizeLinear" + content[middle + 16 :]
    assert structure_of(other) != structure_of(content)


def with_tensor(data_type, value):
    tensor = bytes([16, data_type]) + length_delimited(8, b"t") + length_delimited(9, value)
    return length_delimited(networks.GRAPH, length_delimited(networks.INITIALIZER, tensor))


def test_weights_do_not_count_and_shapes_do():
    assert structure_of(with_tensor(1, b"a")) == structure_of(with_tensor(1, b"b"))
    assert structure_of(with_tensor(7, b"a")) != structure_of(with_tensor(7, b"b"))
    assert structure_of(with_tensor(1, b"a")) != structure_of(with_tensor(3, b"a"))
    assert len(list(fields(memoryview(with_tensor(1, b"a"))))) == 1


def test_a_file_whose_graph_changed_makes_the_table_old():
    network = Network("net", "int8", "pose", "net.onnx", "s")
    report = {"rows": [row(processor=processor.name) for processor in PROCESSORS]}
    assert instructions.outdated(report, [network]) == []
    (first, *others) = report["rows"]
    old = {"rows": [{**first, "structure": "other"}, *others]}
    assert instructions.outdated(old, [network]) == ["net in int8 on Cortex-A53"]


class CountingMachine:
    """In place of the emulated one: notes what is counted, and counts a thousand more each time."""

    versions: ClassVar = {"numpy": "2"}

    def __init__(self, _folder):
        self.counted = []

    def count(self, processor, found):
        self.counted += [network.name for network in found]
        return [Counts(10**6 + 1000 * len(self.counted), 0, 0, 0, 0, 0, 0, 0.0) for _ in found]


@pytest.fixture
def recount(tmp_path, monkeypatch):
    """`remake` of two networks on one processor; gives the names that were counted."""
    pytest.importorskip("onnx")
    both = [Network("pose", "int8", "pose", "", "s"), Network("peer", "int8", "network", "", "s")]
    machine = CountingMachine(None)
    monkeypatch.setattr(instructions, "Machine", lambda _folder: machine)
    monkeypatch.setattr(instructions, "PROCESSORS", PROCESSORS[:1])
    monkeypatch.setattr(instructions, "released_networks", lambda: both)
    monkeypatch.setattr(instructions, "peers", lambda _folder: [])
    monkeypatch.setattr("benchmarks.arm.peer_files.write_peer_files", lambda _folder: None)

    def run(**options):
        machine.counted.clear()
        instructions.remake(tmp_path, tmp_path, **options)
        assert len(instructions.read(tmp_path)["rows"]) == len(both)
        return list(machine.counted)

    return run


def test_what_is_there_is_not_counted_again_unless_asked_for(recount):
    pytest.importorskip("onnx")
    assert recount() == ["pose", "peer"]
    assert recount() == []
    assert recount(anew=instructions.PIPELINES) == ["pose"]
    assert recount(only=frozenset({"peer"}), anew=instructions.EVERYTHING) == ["peer"]
    assert recount(only=frozenset({"peer"}), anew=instructions.PIPELINES) == []


def test_the_page_has_the_ratio_to_float_and_shares():
    rows = [row("lrpose-x", "fp32", 4e6), row("lrpose-x", "int8", 1e6)]
    page = to_markdown({"commit": "c" * 40, "versions": {"numpy": "2"}, "rows": rows})
    cells = next(line for line in page.splitlines() if "| INT8 |" in line).split(" | ")
    assert cells[2:] == ["1.0", "0.0", "0.0", "5.0%", "50.0%", "0.0%", "0.0%", "0.0%", ".250 |"]
    assert f"commit {'c' * 12};" in page


def test_a_machine_that_cannot_be_had_is_said_so(tmp_path, monkeypatch):
    script = tmp_path / "none.py"
    script.write_text("import sys; sys.exit('no emulated ARM machine: because')")
    monkeypatch.setattr("benchmarks.arm.emulator.PREPARE", script)
    with pytest.raises(CannotCountError, match="because"):
        Machine(tmp_path)


def test_the_page_is_of_the_table():
    page = Path(instructions.ROOT, "docs", f"{instructions.NAME}.md").read_text("utf-8")
    assert page == to_markdown(TABLE)


@pytest.mark.arm
def test_the_committed_table_holds_every_released_file():
    assert instructions.outdated(TABLE, released_networks()) == []


@pytest.mark.parametrize(("processor", "fast"), [("Cortex-A76", True), ("Cortex-A72", False)])
def test_doctor_and_info_say_what_was_counted(processor, fast):
    rows = [row for row in TABLE["rows"] if row["processor"] == processor]
    counted = {
        row["name"]: ratio_to_float(row, rows)
        for row in rows
        if row["precision"] == "int8" and row["name"] in bundled.names()
    }
    assert set(INT8_OF_FP32) == set(bundled.names())
    assert "lrpose-s" in counted
    for name, ratio in counted.items():
        assert int8_of_fp32(name, dot_products=fast) == pytest.approx(ratio, abs=0.006)
        assert f"{int8_of_fp32(name, dot_products=fast):.2f}" in describe_saving(name)


def test_of_networks_that_were_not_counted_nothing_is_said():
    assert describe_saving("net") is int8_of_fp32("net", dot_products=True) is None


def test_the_bars_of_the_table():
    rows = {(r["processor"], r["name"], r["precision"]): r for r in TABLE["rows"]}
    fp32, int8 = (rows["Cortex-A76", "lrpose-s", p] for p in ("fp32", "int8"))
    assert int8["network"] <= 0.35 * fp32["network"]
    assert int8["crop"] + int8["decode"] <= 0.1 * int8["network"]
    assert all(r["spread"] < 0.01 for r in TABLE["rows"])


@pytest.mark.arm
def test_the_emulator_counts_what_the_table_says(request):
    folder = request.config.getoption("--arm")
    if not folder:
        pytest.skip("needs the emulated ARM machine: make test-arm")
    network = next(n for n in released_networks() if (n.name, n.precision) == ("lrpose-n", "int8"))
    (found,) = Machine(Path(folder)).count("cortex-a76", [network])
    (there,) = (
        r
        for r in TABLE["rows"]
        if (r["processor"], r["structure"]) == ("Cortex-A76", network.structure)
        and r["precision"] == "int8"
    )
    assert found.network == pytest.approx(there["network"], rel=0.01)
    assert found.dot == there["dot"] > 0
