"""Searches from the command line at toy size: they find, resume, refuse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

from litepose_edge import COCO_17
from litepose_export.cli import app
from litepose_export.models.trained import read_trained
from litepose_export.search.result import read_result
from paths import ROOT

SHORT = ["--cost", "macs", "--population", "3", "--generations", "2", "--threads", "1"]
LRPOSE = ["search", "lrpose", "--input-size", "64x96", "--budget", "40", *SHORT]


def toy(dataset, out, *more, steps="6", base=LRPOSE):
    data = ["--data", str(dataset), "--dev", str(dataset), "--out", str(out)]
    return [*base, *data, "--steps", steps, "--batch-size", "4", *more]


@pytest.fixture(scope="module")
def found(people_dataset, tmp_path_factory):
    """A finished search."""
    out = tmp_path_factory.mktemp("search") / "found"
    assert app.run(toy(people_dataset, out)) == 0
    return out


def test_a_search_leaves_its_documents_and_a_network_within_the_budget(found):
    result = read_result(found / "result.json")
    assert result.chosen.measured <= 40
    assert result.chosen.cost == pytest.approx(result.chosen.measured, rel=1e-9)  # counts are exact
    assert len(result.candidates) >= 3
    page = (found / "report.html").read_text()
    assert "<svg" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    for name in ("costs.json", "network.json", "network.pt", "search.json"):
        assert (found / name).stat().st_size > 100


def test_a_finished_search_says_the_same_again(found, people_dataset):
    before = (found / "result.json").read_bytes()
    assert app.run(toy(people_dataset, found)) == 0
    assert (found / "result.json").read_bytes() == before


def test_another_search_is_kept_out_of_its_folder(found, people_dataset, capsys):
    assert app.run(toy(people_dataset, found, "--seed", "1")) == 3
    assert "holds another search: its seed is 0, asked for is 1" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_budget_below_every_network_is_refused(people_dataset, tmp_path, capsys):
    arguments = toy(people_dataset, tmp_path / "s")
    arguments[arguments.index("--budget") + 1] = "1"
    assert app.run(arguments) == 3
    assert "smallest costs" in " ".join(capsys.readouterr().err.split())


def test_the_found_network_is_exported_and_verified(found, people_dataset, tmp_path):
    network, weights, exported = (
        str(path)
        for path in (found / "network.json", found / "network.pt", tmp_path / "found.onnx")
    )
    said = read_trained(found / "network.pt")
    assert said.training.data == (people_dataset.name,)
    assert said.skeleton.keypoint_names == COCO_17.keypoint_names
    assert app.run(["export", network, "--checkpoint", weights, "--out", exported]) == 0
    assert app.run(["verify", exported, "--checkpoint", weights]) == 0
    assert app.run(["verify", exported, "--checkpoint", weights, "--network", network]) == 0
    assert app.run(["verify", exported, "--checkpoint", weights, "--network", "lrpose-n"]) == 3


@pytest.mark.slow
def test_the_found_network_trains_and_is_exported(found, people_dataset, tmp_path):
    run = [str(found / "network.json"), "--data", str(people_dataset), "--out", str(tmp_path / "r")]
    more = ["--init", str(found / "network.pt"), "--steps", "1", "--augmentation", "none"]
    assert app.run(["train", *run, *more, "--batch-size", "4", "--device", "cpu"]) == 0
    checkpoint = ["--checkpoint", str(tmp_path / "r" / "last.pt")]
    exported = tmp_path / "found.onnx"
    assert app.run(["export", run[0], *checkpoint, "--out", str(exported)]) == 0
    assert exported.exists()


@pytest.mark.slow
def test_a_search_killed_twice_ends_with_the_same_answer(found, people_dataset, tmp_path):
    out = tmp_path / "killed"
    command = [sys.executable, "-c", "from litepose_export.cli import main; main()"]
    command += toy(people_dataset, out)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'export'}"}
    for part in ("supernet/last.pt", "state/generation.json"):
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(process, out / part)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (out / "result.json").exists()
    assert app.run(toy(people_dataset, out)) == 0
    mine, theirs = (json.loads((folder / "result.json").read_text()) for folder in (out, found))
    assert mine == theirs


def wait_for(process: subprocess.Popen, path: Path) -> None:
    """Until a file is there."""
    for _ in range(12000):
        assert process.poll() is None, "it ended before it was killed"
        if path.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} did not come")


SUPERNET_ONLY = (
    ["--score", "loss"],
    ["--rank", "2"],
    ["--population", "3"],
    ["--generations", "2"],
    ["--mutation", "0.1"],
    ["--sandwich"],
    ["--distil"],
    ["--gradual-shrinking"],
)


@pytest.mark.parametrize(
    ("space", "option"),
    [
        *(("efficientpose", option) for option in SUPERNET_ONLY),
        ("efficientpose", ["--open-depth"]),
        ("litepose", ["--layout", "b"]),
        ("lrpose", ["--layout", "a"]),
        ("lrpose", ["--open-depth"]),
        ("lrpose", ["--open-kernels"]),
        ("lrpose", ["--counter", "count"]),  # of another cost
        ("lrpose", ["--rank-steps", "3"]),  # of no networks
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_an_option_of_other_searches_is_refused(space, option, people_dataset, tmp_path, capsys):
    base = ["search", space, "--budget", "40", "--cost", "macs"]
    assert app.run(toy(people_dataset, tmp_path / "s", *option, base=base)) == 2
    assert f"{option[0]}: " in " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.parametrize("space", ["lrpose", "litepose", "efficientpose"])
def test_a_released_file_is_refused_before_anything_is_measured(
    space, people_dataset, tmp_path, capsys
):
    out = tmp_path / "s"
    base = ["search", space, "--budget", "40", "--cost", "macs"]
    assert app.run(toy(people_dataset, out, "--init", "lrpose-s", base=base)) == 3
    assert "starts from a checkpoint" in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--input-size", "60x96"], "multiples of 32"),
        (["--distil"], "add --sandwich"),
        (["--input-size", "big"], "WIDTHxHEIGHT"),
        (["--seed", "-1"], "--seed"),
        (["--minutes", "1"], "one of --steps and --minutes"),
    ],
)
def test_what_cannot_be_searched_is_said(arguments, says, people_dataset, tmp_path, capsys):
    assert app.run(toy(people_dataset, tmp_path / "s", *arguments)) in (2, 3)
    assert says in " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("space", "option"),
    [("lrpose", "--init"), ("litepose", "--init"), ("efficientpose", "--data")],
)
def test_a_missing_file_is_one_clear_error(space, option, people_dataset, tmp_path, capsys):
    base = ["search", space, "--budget", "400", "--cost", "macs"]
    missing = str(tmp_path / "none.pt")
    arguments = toy(people_dataset, tmp_path / "s", option, missing, base=base)
    assert app.run(arguments) == 3
    assert "cannot read" in " ".join(capsys.readouterr().err.split())
