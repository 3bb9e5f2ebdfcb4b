"""Cost tables: measured, kept, refused where they are of another processor, asked of commands."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

pytest.importorskip("torch")

from litepose_edge.geometry import Size
from litepose_export.errors import SearchError
from litepose_export.search.costs.measure import (
    ANCHORS,
    CommandMeter,
    cost_table,
    measure_beside,
    measure_space,
    measuring_of,
)
from litepose_export.search.costs.table import Anchor, Entry, read_costs
from litepose_export.search.lrpose.space import LRPoseSpace
from litepose_export.search.space import Choice


class TinySpace(LRPoseSpace):
    """Of few operators."""

    def __init__(self) -> None:
        super().__init__(2, [Size(32, 32)])
        kept = {"stem", "stride_8.blocks"}
        self.choices = tuple(
            c if c.name in kept else Choice(c.name, c.options[:1]) for c in self.choices
        )


def started(what, total):
    return lambda: None


@pytest.fixture(scope="module")
def latencies():
    """The tiny space, timed in INT8."""
    space = TinySpace()
    return space, measure_space(space, measuring_of("int8-latency"), started, fitted=3, checked=2)


def test_every_operator_is_timed_and_says_its_noise(latencies):
    space, table = latencies
    assert set(table.entries) == {o.key for o in space.all_operators()}
    assert all(e.cost > 0 and 0 <= e.noise < 5 for e in table.entries.values())
    assert table.correction.networks == 3
    assert table.agreement.networks == 2
    assert table.unit == "ms"


def test_a_table_is_read_as_it_was_written_and_not_measured_again(latencies, tmp_path):
    space, table = latencies
    table.save(tmp_path / "costs.json")
    assert read_costs(tmp_path / "costs.json") == table

    def fail(what, total):
        raise AssertionError("measured again")

    how = measuring_of("int8-latency")
    assert cost_table(space, how, tmp_path / "costs.json", fail) == table


@pytest.mark.parametrize("slower", [1.0, 2.0])
def test_whole_networks_cost_what_they_would_have_with_the_table(latencies, slower):
    """A processor that runs at half its speed now, or beside others, makes no network dearer."""
    space, table = latencies
    assert len(table.anchors) == ANCHORS
    meant = {anchor.genes: anchor.cost for anchor in table.anchors}
    meant[space.smallest] = meant.get(space.smallest, 0.5)

    def meter(graphs, advance, *, warm=False):
        assert warm
        costs = [meant[genes] for genes in wanted]
        return {name: Entry(slower * cost) for name, cost in zip(graphs, costs, strict=True)}

    wanted = [space.smallest, *(anchor.genes for anchor in table.anchors)]
    how = replace(measuring_of("int8-latency"), meter=meter)
    found = measure_beside(table, space, [space.smallest], how, started)
    assert found == pytest.approx([meant[space.smallest]])


def test_what_is_counted_needs_no_anchors(latencies):
    space, _ = latencies
    how = measuring_of("macs")
    table = measure_space(space, how, started)
    assert table.anchors == ()
    found = measure_beside(table, space, [space.smallest], how, started)
    assert found == pytest.approx([table.of(space, space.smallest)])


def test_anchors_of_another_space_are_measured_anew(latencies, tmp_path):
    space, table = latencies
    other = replace(table, anchors=(Anchor((99,), 1.0),))
    other.save(tmp_path / "costs.json")
    how = measuring_of("int8-latency")
    found = cost_table(space, how, tmp_path / "costs.json", started)
    assert [anchor.genes for anchor in found.anchors] == [a.genes for a in table.anchors]


def test_a_table_of_other_costs_is_refused(latencies, tmp_path):
    space, table = latencies
    table.save(tmp_path / "costs.json")
    with pytest.raises(SearchError, match=r"is of int8-latency on .*, expected fp32-latency"):
        cost_table(space, measuring_of("fp32-latency"), tmp_path / "costs.json", started)


def test_a_table_of_another_engine_is_refused(latencies, tmp_path):
    space, table = latencies
    other = replace(table, versions={"onnxruntime": "1.0"})
    other.save(tmp_path / "costs.json")
    with pytest.raises(SearchError, match=r"with onnxruntime 1\.0, and this is onnxruntime 1\."):
        cost_table(space, measuring_of("int8-latency"), tmp_path / "costs.json", started)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 1, "kind": "macs"}'])
def test_what_is_no_table_is_refused(content, tmp_path):
    (tmp_path / "costs.json").write_text(content)
    with pytest.raises(SearchError, match=r"costs\.json"):
        read_costs(tmp_path / "costs.json")


def test_an_operator_without_an_entry_is_named(latencies):
    _, table = latencies
    other = LRPoseSpace(2, [Size(64, 64)])
    with pytest.raises(SearchError, match="no entry for 'conv 3x3"):
        table.of(other, other.largest)


COUNTER = """
import json, pathlib, sys
files = sorted(pathlib.Path(sys.argv[1]).glob("*.onnx"))
print(json.dumps({f.name: 1e6 * f.stat().st_size for f in files}))
"""


def test_a_command_counts_what_lies_in_its_folder(tmp_path):
    (tmp_path / "counter.py").write_text(COUNTER)
    how = measuring_of("arm-instructions", f"{sys.executable} {tmp_path / 'counter.py'}")
    space = TinySpace()
    table = measure_space(space, how, started, fitted=2, checked=0)
    assert set(table.entries) == {o.key for o in space.all_operators()}
    assert table.unit == "million instructions"
    assert min(e.cost for e in table.entries.values()) > 100


def test_without_a_command_its_line_is_told():
    with pytest.raises(SearchError, match=r"python -m benchmarks\.arm\.count_files"):
        measuring_of("arm-instructions")


@pytest.mark.parametrize(
    ("script", "says"),
    [("import sys; sys.exit('no emulator')", "no emulator"), ("print('5')", "JSON object")],
)
def test_a_command_that_fails_is_said(script, says, tmp_path):
    (tmp_path / "counter.py").write_text(script)
    meter = CommandMeter(f"{sys.executable} {tmp_path / 'counter.py'}")
    with pytest.raises(SearchError, match=says):
        meter({}, lambda: None)


@pytest.mark.parametrize("command", ["python -c 'print", "", "  "])
def test_a_counter_that_is_no_command_is_refused_at_once(command):
    with pytest.raises(SearchError, match="--counter"):
        measuring_of("arm-instructions", command)
    with pytest.raises(SearchError, match="--counter"):
        CommandMeter(command)
