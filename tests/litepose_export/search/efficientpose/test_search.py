"""The whole search at toy size: files, budget, resuming, remapped weights."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

torch = pytest.importorskip("torch")

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.errors import SearchError  # noqa: E402
from litepose_export.models.architectures.efficientpose import EfficientPose  # noqa: E402
from litepose_export.models.checkpoints import read_state  # noqa: E402
from litepose_export.search.costs.measure import measuring_of  # noqa: E402
from litepose_export.search.efficientpose import search as whole  # noqa: E402
from litepose_export.search.efficientpose import task  # noqa: E402
from litepose_export.search.efficientpose.score import MakeInheritedScore  # noqa: E402
from litepose_export.search.efficientpose.search import (  # noqa: E402
    EfficientPoseOptions,
    search_efficientpose,
)
from litepose_export.search.efficientpose.space import (  # noqa: E402
    EfficientPoseSpace,
    Layout,
)
from litepose_export.search.efficientpose.task import CropHalves, split  # noqa: E402
from litepose_export.search.job import SILENT, SearchDisplay, SearchJob  # noqa: E402
from litepose_export.training.data.people import load_people  # noqa: E402
from paths import ROOT  # noqa: E402

pytestmark = pytest.mark.export
LAYOUT, SIZE = Layout(8, (8, 16, 24, 32), (2, 1, 1, 2)), Size(48, 64)
OPTIONS = EfficientPoseOptions(layout=LAYOUT, input_size=SIZE, segment=4)
BUDGET = 4.2  # million multiply-accumulates; networks of the space have 3.6 to 4.8


def job_of(data: Path, folder: Path, **changed: Any) -> SearchJob:
    values = {
        "data": (data,),
        "dev": data,
        "folder": folder,
        "kind": "macs",
        "budget": BUDGET,
        "steps": 12,
        "batch": 2,
    }
    return SearchJob(**{**values, **changed})


def run(job: SearchJob, display: SearchDisplay = SILENT) -> Any:
    return search_efficientpose(job, measuring_of("macs"), display, OPTIONS)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Fewer images for statistics, fewer networks for the front."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "RECALIBRATION_BATCHES", 2)
        patch.setattr(task, "RECALIBRATION_IMAGES", 2)
        patch.setattr(whole, "FRONT", (0.9, 1.0, 1.1))
        yield


@pytest.fixture(scope="module")
def searched(photo_dataset, tmp_path_factory) -> tuple[Path, Any]:
    """A finished search: its folder and its result."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("searched")
    return folder, run(job_of(photo_dataset, folder))


def test_a_search_ends_within_the_budget_and_writes_its_files(searched) -> None:
    folder, result = searched
    assert 0.95 * BUDGET <= result.chosen.measured <= 1.05 * BUDGET
    assert result.chosen.cost == pytest.approx(result.chosen.measured)
    for name in ("network.json", "network.pt", "costs.json", "result.json", "report.html"):
        assert (folder / name).stat().st_size > 0
    assert len((folder / "log.csv").read_text().splitlines()) == 1 + 3
    assert len(result.candidates) >= 3
    assert result.chosen.genes in {candidate.genes for candidate in result.candidates}
    assert result.figures["steps"] == 12


def test_the_found_network_can_be_built_and_takes_its_weights(searched) -> None:
    folder, result = searched
    space = EfficientPoseSpace(LAYOUT, size=SIZE)
    genes = tuple(result.chosen.genes)
    document = json.loads((folder / "network.json").read_text())
    assert document == json.loads(json.dumps(space.architecture(genes)))
    assert (document["family"], document["input_size"]) == (
        "efficientpose",
        {"width": 48, "height": 64},
    )
    network = EfficientPose(space.arch(genes))
    network.load_state_dict(read_state(folder / "network.pt"))


def test_train_and_export_take_the_found_network_by_its_file(
    searched, photo_dataset, tmp_path, capsys
) -> None:
    folder, _ = searched
    network, weights = str(folder / "network.json"), str(folder / "network.pt")
    as_found = ["--checkpoint", weights, "--out", str(tmp_path / "as_found.onnx")]
    assert app.run(["export", network, *as_found]) == 0, capsys.readouterr().err
    assert app.run(["verify", as_found[3], "--checkpoint", weights]) == 0, capsys.readouterr().err
    data = ["--data", str(photo_dataset), "--out", str(tmp_path), "--steps", "1"]
    assert app.run(["train", network, *data, "--init", weights, "--batch-size", "2"]) == 0
    trained = ["--checkpoint", str(tmp_path / "last.pt"), "--out", str(tmp_path / "found.onnx")]
    assert app.run(["export", network, *trained, "--rewrite-deconv"]) == 0, capsys.readouterr().err
    session = ort.InferenceSession(tmp_path / "found.onnx", providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [1, 3, 64, 48]
    assert session.get_outputs()[0].shape == [1, 17, 16, 12]


def test_what_judges_elsewhere_is_small_and_scores_the_same(searched, photo_dataset) -> None:
    folder, result = searched
    crops = CropHalves((photo_dataset,), photo_dataset, (), SIZE, 2, 0)
    make = MakeInheritedScore(EfficientPoseSpace(LAYOUT, size=SIZE), crops, folder / "search.pt")
    best = result.chosen
    assert make()(tuple(best.genes)) == best.score  # photographs are in memory now
    sent = pickle.dumps(make.for_process())
    assert len(sent) < 10_000
    assert pickle.loads(sent)()(tuple(best.genes)) == best.score


def test_a_finished_search_is_not_done_again(searched, photo_dataset) -> None:
    folder, result = searched
    steps: list[int] = []

    def started(what: str, total: int) -> Callable[[], None]:
        return lambda: steps.append(1) if what != "search" else None

    again = run(job_of(photo_dataset, folder), SearchDisplay(started))
    assert again == result
    assert not steps


def test_a_search_that_was_stopped_ends_the_same(searched, photo_dataset, tmp_path) -> None:
    _, result = searched

    class StoppedError(Exception):
        pass

    def stop(note: str) -> None:
        raise StoppedError

    job = job_of(photo_dataset, tmp_path)
    with pytest.raises(StoppedError):
        run(job, SearchDisplay(SILENT.started, stop))
    assert (tmp_path / "search.pt").exists()
    assert not (tmp_path / "result.json").exists()
    assert run(job) == result


def test_another_search_in_the_folder_is_refused(searched, photo_dataset) -> None:
    folder, _ = searched
    with pytest.raises(SearchError, match="holds another search: its seed is 0"):
        run(job_of(photo_dataset, folder, seed=1))


def test_a_budget_that_no_network_meets_is_refused(photo_dataset, tmp_path) -> None:
    with pytest.raises(SearchError, match=r"no network of the space costs as little as 0\.1"):
        run(job_of(photo_dataset, tmp_path, budget=0.1))


def test_a_search_starts_from_remapped_weights(photo_dataset, tmp_path) -> None:
    space = EfficientPoseSpace(LAYOUT, size=SIZE)
    network = space.build(space.uniform(5, 3))
    torch.save(network.state_dict(), tmp_path / "trained.pt")
    job = job_of(photo_dataset, tmp_path / "out", init=tmp_path / "trained.pt", steps=2)
    run(job)
    state = torch.load(tmp_path / "out" / "search.pt", weights_only=True)["network"]
    own = state["layers.0.operators.1.dw.conv.weight"]  # one step later
    source = network.state_dict()["blocks.stages.x0_ir_k5_e3.dw.conv.weight"]
    assert float((own - source).abs().max()) < 5e-3


def test_minutes_become_steps_once(photo_dataset, tmp_path) -> None:
    job = job_of(photo_dataset, tmp_path, steps=None, minutes=0.01)
    result = run(job)
    kept = json.loads((tmp_path / "state" / "steps.json").read_text())
    assert result.figures["steps"] == kept >= 2
    assert run(job) == result


def test_halves_share_no_photograph_and_lose_no_person(photo_dataset) -> None:
    people = load_people([read_coco(photo_dataset)])
    first, second = split(people, 3)
    assert not set(first.image_index) & set(second.image_index)
    assert len(first) + len(second) == len(people)
    assert np.array_equal(first.image_index, split(people, 3)[0].image_index)
    alone = people.image_index == people.image_index[0]
    one = replace(
        people,
        image_index=people.image_index[alone],
        boxes_xyxy=people.boxes_xyxy[alone],
        keypoints=people.keypoints[alone],
        source=people.source[alone],
    )
    with pytest.raises(SearchError, match="at least 2"):
        split(one, 0)


SCRIPT = """
import sys
from pathlib import Path
import torch
from test_search import job_of, run
torch.set_num_threads(1)
run(job_of(Path(sys.argv[1]), Path(sys.argv[2]), steps=40))
"""


@pytest.mark.slow
def test_a_search_killed_and_resumed_ends_the_same(photo_dataset, tmp_path) -> None:
    paths = [str(Path(__file__).parent), str(ROOT / "tests" / "helpers"), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", SCRIPT, str(photo_dataset)]
    killed = subprocess.Popen([*command, str(tmp_path / "killed")], env=environment)
    while not (tmp_path / "killed" / "search.pt").exists():
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "result.json").exists()
    for folder in ("killed", "whole"):
        subprocess.run([*command, str(tmp_path / folder)], env=environment, check=True)
    for name in ("result.json", "network.json", "log.csv"):
        ends = [(tmp_path / folder / name).read_bytes() for folder in ("killed", "whole")]
        assert ends[0] == ends[1]
