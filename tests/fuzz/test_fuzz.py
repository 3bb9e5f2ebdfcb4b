"""The fuzzer finds each kind of fault, and says which input it belongs to."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from litepose_edge import COCO_17, Poses
from litepose_edge.errors import SourceError
from litepose_edge.geometry import Size
from paths import ROOT
from tests.fuzz import kinds, mutations, pool, worker
from tests.fuzz.findings import KEPT_ALIKE, Findings
from tests.fuzz.judge import Verdict, judge
from tests.fuzz.kinds import Answer, InputClass
from tests.fuzz.pool import Pool

# Classes of inputs need onnx and PyTorch to make sound ones.
pytestmark = pytest.mark.export
CHEAP = ("boxes", "coco", "frames", "images", "manifests", "options", "sidecars", "trackers")


def _kind(run, refused_by=lambda content: None, **options) -> InputClass:
    return InputClass(
        ".bin", lambda: [b"sound"], lambda rng, sound: b"", run, refused_by, **options
    )


def _outcome(tmp_path: Path, kind: InputClass, *, sound: bool = False) -> str:
    path = tmp_path / "input.bin"
    path.write_bytes(b"content")
    return judge(kind, path, sound=sound).outcome


def _raise(exc: Exception) -> Answer:
    raise exc


@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        (lambda path: Answer("same"), "taken"),
        (lambda path: _raise(SourceError("the file is cut")), "refused"),
        (lambda path: _raise(SourceError("")), "untyped"),
        (lambda path: _raise(SourceError("x" * 10**5)), "refused"),  # cut short by the error
        (lambda path: _raise(IndexError("out of range")), "untyped"),
        (lambda path: _raise(MemoryError()), "memory"),
        (lambda path: Answer("same", "scores are not finite"), "silent"),
        (lambda path: Answer(str(time.perf_counter_ns())), "silent"),
    ],
)
def test_each_fault_has_its_verdict(tmp_path, run, outcome):
    assert _outcome(tmp_path, _kind(run)) == outcome


def test_what_a_strict_reader_refuses_must_not_be_taken(tmp_path):
    kind = _kind(lambda path: Answer("same"), refused_by=lambda content: "the checksum is wrong")
    assert _outcome(tmp_path, kind) == "silent"
    assert _outcome(tmp_path, kind, sound=True) == "taken"


def test_a_sound_input_must_be_taken(tmp_path):
    kind = _kind(lambda path: _raise(SourceError("the file is cut")))
    assert _outcome(tmp_path, kind, sound=True) == "unsound"


def test_a_built_in_error_counts_only_where_the_project_raises_it(tmp_path):
    kind = _kind(lambda path: np.zeros(3).reshape(2, 2), expected=(ValueError,))
    assert _outcome(tmp_path, kind) == "untyped"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({}, None),
        ({"scores": np.full((1, 17), np.nan, np.float32)}, "scores are not finite"),
        ({"scores": np.full((1, 17), 1.5, np.float32)}, "scores lie outside"),
        ({"scores": np.zeros((1, 17))}, "scores are float64"),
        ({"boxes_xyxy": np.array([[3, 3, 3, 9]], np.float32)}, "a box without area"),
    ],
)
def test_results_are_held_to_what_is_promised(change, complaint):
    arrays = {
        "keypoints": np.zeros((1, 17, 2), np.float32),
        "scores": np.zeros((1, 17), np.float32),
        "boxes_xyxy": np.array([[1, 2, 3, 4]], np.float32),
        "person_scores": np.ones(1, np.float32),
    }
    poses = Poses(**{**arrays, **change}, skeleton=COCO_17, image_size=Size(9, 9))
    found = kinds.complaint_about(poses)
    assert found is complaint is None or complaint in found


@pytest.mark.parametrize("name", CHEAP)
def test_the_same_seed_makes_the_same_inputs(name):
    kind = kinds.load(name)
    sound = kind.seeds()
    numbers = range(len(sound) + 30)
    first, again, other = (
        [worker.input_of(kind, name, seed, i, sound) for i in numbers] for seed in (1, 1, 2)
    )
    assert first == again != other
    assert first[: len(sound)] == sound


@pytest.mark.parametrize("name", CHEAP)
def test_sound_inputs_are_taken(name, tmp_path):
    kind = kinds.load(name)
    path = tmp_path / f"input{kind.suffix}"
    for content in kind.seeds():
        path.write_bytes(content)
        assert judge(kind, path, sound=True) == Verdict("taken")
        assert kind.refused_by(content) is None


def test_strict_json_refuses_what_pythons_takes():
    assert mutations.strict_json(b'{"a": [1, 2.5, null]}') is None
    for text in (b'{"a": NaN}', b'{"a": 1, "a": 2}', b'{"a": 1}x', b'{"\xff": 1}'):
        assert mutations.strict_json(text) is not None


# A class whose inputs end the process, hang or use memory, as its first byte says.
FAULTY = """
import ctypes, time
from tests.fuzz.kinds import Answer, InputClass
def run(path):
    match path.read_bytes()[:1]:
        case b"c": ctypes.string_at(0)
        case b"h": time.sleep(60)
        case b"m": bytearray(700 * 2**20)
    return Answer("same")
inputs = [b"sound", b"crash", b"hang", b"more", b"fine"]
CLASS = InputClass(".bin", lambda: inputs, lambda rng, sound: b"fine", run, time_limit_s=3.0)
"""


@pytest.fixture
def faulty_class(tmp_path, monkeypatch):
    """A class of its own, which the workers find."""
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "faulty.py").write_text(FAULTY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "others.faulty"


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux alone")
def test_a_worker_that_dies_or_hangs_is_replaced(faulty_class):
    faulty = Pool(faulty_class, 1, 1, time_limit_s=3.0)
    found = dict(faulty.verdicts(time.monotonic() + 60, inputs=7))
    outcomes = [found[i].outcome for i in range(7)]
    assert outcomes == ["taken", "crash", "hang", "memory", "taken", "taken", "taken"]
    assert "SIGSEGV" in found[1].text


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how long a process waited")
def test_a_wait_for_the_processor_is_no_hang(monkeypatch):
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        at_work = pool.Worker(busy, io.BytesIO(), 0)
        at_work.since -= 100
        assert at_work.busy_s > 90
        monkeypatch.setattr(pool, "waited_s", lambda pid: 99.0)
        assert 0 < at_work.busy_s < 10
        assert pool.waited_s(busy.pid) == 99
    finally:
        busy.kill()
        busy.wait()


def test_a_finding_can_be_run_again(tmp_path):
    findings = Findings(tmp_path, seed=1)
    findings.begin("boxes")
    folders = [
        findings.add("boxes", 20 + i, Verdict("untyped", f"x.IndexError: index {i}"))
        for i in range(KEPT_ALIKE + 1)
    ]
    assert folders[-1] is None
    kind = kinds.load("boxes")
    expected = worker.input_of(kind, "boxes", 1, 20, kind.seeds())
    assert (folders[0] / "input.py").read_bytes() == expected
    again = subprocess.run(
        [folders[0] / "again.sh"],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (again.returncode, again.stdout.split()[0]) in [(0, "refused"), (0, "taken")]


def test_the_table_counts_every_outcome(tmp_path):
    findings = Findings(tmp_path, seed=1)
    findings.begin("boxes")
    for outcome in ("taken", "refused", "silent"):
        findings.add("boxes", 30, Verdict(outcome, "seen"))
    *_, total = findings.table().splitlines()
    assert total.split() == ["all", "3", "1", "0", "0", "0", "0", "1", "0"]
    assert findings.faults == 1


def test_the_command_ends_with_1_where_something_is_found(tmp_path, faulty_class):
    out = tmp_path / "found"
    command = [sys.executable, "-m", "tests.fuzz", "--out", out, "--inputs", "2"]
    found = subprocess.run([*command, "--only", faulty_class], cwd=ROOT, check=False)
    sound = subprocess.run([*command, "--only", "boxes"], cwd=ROOT, check=False)
    assert (found.returncode, sound.returncode) == (1, 0)
    (folder,) = (out / faulty_class).iterdir()
    assert (folder / "input.bin").read_bytes() == b"crash"


def test_documents_are_mutated_as_copies():
    document = {"a": [1, {"b": 2.0}], "c": "x"}
    text = json.dumps(document)
    changed = [mutations.mutate_document(np.random.default_rng(i), document) for i in range(50)]
    assert json.dumps(document) == text
    assert sum(json.dumps(c) != text for c in changed) > 45
