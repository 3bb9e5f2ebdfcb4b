"""The comparison network and the script that trains its variants."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge.backends._onnxruntime import OnnxRuntimeSession  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.models.architectures.ablation import AblationPose, Parts  # noqa: E402
from litepose_export.models.counting import count  # noqa: E402
from litepose_export.models.folding import fold_batch_norms  # noqa: E402
from litepose_export.training.data.people import load_people  # noqa: E402
from litepose_export.training.distillation.teacher import Teaching  # noqa: E402
from paths import ROOT  # noqa: E402

SIZE = Size(96, 128)
RECORDS = ROOT / "docs" / "experiments" / "runs" / "ablations"


@pytest.fixture(scope="module")
def ablations(recipe):
    return recipe("ablations")


@pytest.fixture(scope="module")
def ablation_speed(ablations, recipe):  # it imports the module that `ablations` has loaded
    return recipe("ablation_speed")


def test_every_variant_gives_maps_of_its_stride_and_learns_everywhere(ablations):
    crops = torch.randn(2, 3, 128, 96)
    for name, variant in ablations.VARIANTS.items():
        torch.manual_seed(0)
        network = AblationPose(variant.parts)
        stride = variant.parts.stride
        maps = network(crops)
        assert maps.shape == (2, 17, 128 // stride, 96 // stride), name
        # Residual branches start as identities: nudge them so that gradients pass.
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        network(crops).square().mean().backward()
        idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        assert not idle, (name, idle)


def test_the_networks_are_those_of_the_released_records(ablations):
    records = sorted(RECORDS.glob("*.json"))
    assert len(records) > 20
    for record in map(json.loads, (path.read_text("utf-8") for path in records)):
        cost = count(AblationPose(ablations.VARIANTS[record["name"]].parts), SIZE)
        assert (cost.parameters, cost.macs) == (record["parameters"], record["macs"])


def test_each_part_adds_its_own_cost():
    def macs(**parts):
        return count(AblationPose(Parts(**parts)), SIZE).macs

    assert macs(stride=16) < macs() < macs(stride=4)
    assert macs(kernel=3) < macs(kernel=5) < macs(kernel=7)
    assert macs() < macs(refinement=True)
    plain = macs(stride=4, head="deconv")
    assert plain < macs(stride=4, head="fusion")
    # A depthwise 3x3 over 32 channels of 32x24 cells.
    assert macs(stride=4, head="deconv", correction=True) - plain == 9 * 32 * 32 * 24


@pytest.mark.parametrize("head", ["deconv", "fusion"])
def test_folded_and_rewritten_heads_compute_the_same(head):
    torch.manual_seed(0)
    network = AblationPose(Parts(stride=4, head=head), bias=0)
    torch.nn.init.normal_(network.predict.weight)
    image = torch.randn(2, 3, SIZE.height, SIZE.width)
    network.train()
    network(image)  # statistics that are not 0 and 1
    network.eval()
    folded = fold_batch_norms(network)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    expected = network(image).detach()
    scale = expected.std()
    assert ((folded(image) - expected).abs().max() / scale).item() < 1e-3
    folded.head.rewrite_deconvolutions()
    assert not any(isinstance(m, torch.nn.ConvTranspose2d) for m in folded.modules())
    assert ((folded(image) - expected).abs().max() / scale).item() < 1e-3


@pytest.mark.usefixtures("one_thread")
def test_the_files_that_are_timed_hold_the_head_in_int8(ablation_speed):
    architectures = ablation_speed.architectures()
    assert next(iter(architectures)) == "rce-8"
    assert len(set(architectures.values())) == len(architectures)
    exact, quantized = ablation_speed.files(architectures["deconv"])
    assert not any(node.op_type == "ConvTranspose" for node in exact.graph.node)
    made = {output: node.op_type for node in quantized.graph.node for output in node.output}
    convolutions = [node for node in quantized.graph.node if node.op_type == "Conv"]
    in_float = [c for c in convolutions if made.get(c.input[1]) != "DequantizeLinear"]
    assert len(in_float) == 2  # stem and head
    for model in (exact, quantized):
        session = OnnxRuntimeSession(model.SerializeToString(), threads=1)
        maps = session.run(ablation_speed.noise(1)[0])["heatmaps"]
        assert maps.shape == (1, 17, SIZE.height // 4, SIZE.width // 4)


def test_times_are_the_second_runs_by_the_first_networks_in_int8(ablation_speed, monkeypatch):
    clock = SimpleNamespace(now=0.0)

    class Fake:
        """Takes three times as long when the caches are cold."""

        def __init__(self, seconds):
            self.seconds, self.runs = seconds, 0

        def run(self, batch):
            clock.now += self.seconds * (3 if self.runs % 2 == 0 else 1)
            self.runs += 1

    monkeypatch.setattr(ablation_speed, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    sessions = {
        ("rce-8", "fp32"): Fake(2.5),
        ("rce-8", "int8"): Fake(1.0),
        ("rce-4", "fp32"): Fake(4.0),
        ("rce-4", "int8"): Fake(1.5),
    }
    ratios = ablation_speed.race(sessions, seconds=0)
    assert ratios == {"rce-8": {"fp32": 2.5, "int8": 1.0}, "rce-4": {"fp32": 4.0, "int8": 1.5}}
    assert sessions["rce-4", "int8"].runs == 2 * ablation_speed.LEAST_ROUNDS


def test_impossible_parts_are_refused():
    with pytest.raises(ValueError, match="stride 4, 8 or 16"):
        Parts(stride=2)
    with pytest.raises(ValueError, match="end at stride 4"):
        Parts(head="deconv")


def test_variants_differ_from_what_they_are_compared_with_in_one_thing(ablations):
    base = ablations.Variant()
    for name in ("mse-8", "rce-residual-8", "rce-16", "rce-4", "no-teacher", "rmpg", "dense"):
        variant = ablations.VARIANTS[name]
        differing = [
            f for f in ("loss", "teacher_share", "part") if getattr(variant, f) != getattr(base, f)
        ]
        differing += [
            f
            for f in ("stride", "kernel", "head", "correction", "refinement")
            if getattr(variant.parts, f) != getattr(base.parts, f)
        ]
        assert len(differing) == 1, name


@pytest.mark.usefixtures("one_thread")
def test_a_run_is_recorded_with_its_curve(ablations, photo_dataset, monkeypatch):
    monkeypatch.setattr(ablations, "BATCH", 8)
    dataset = read_coco(photo_dataset)
    material = ablations.Material([dataset], load_people([dataset]), None, dataset)
    record = ablations.run("mse-16", ablations.VARIANTS["mse-16"], 0, 8 * 40, material)
    json.dumps(record)
    assert record["crops"] == 8 * 40
    assert [point["crops"] for point in record["curve"]] == [8 * 20]
    assert set(record["ap"]) == {"dark", "quarter", "argmax"}
    assert record["teacher"] is False


def test_fewer_people_keep_their_teachers_opinion(ablations, photo_dataset):
    people = load_people([read_coco(photo_dataset)])
    maps = np.arange(len(people), dtype=np.uint8)[:, None, None, None] * np.ones(
        (17, 4, 3), np.uint8
    )
    teaching = Teaching(maps, people.keypoints, people.keypoints[..., 2] > 0)
    fewer, taught = ablations.some_of(people, teaching, 0.5, seed=0)
    assert len(fewer) == len(people) // 2
    for person, opinion in enumerate(taught.maps[:, 0, 0, 0]):
        np.testing.assert_array_equal(fewer.keypoints[person], people.keypoints[opinion])


def record(name, seed, ap, curve):
    points = [{"crops": c, "ap": a, "loss": 1.0} for c, a in curve]
    scores = {"dark": ap, "quarter": ap - 0.01, "argmax": ap - 0.03}
    parts = {"stride": 8}
    fixed = {
        "crops": 1000, "input": [96, 128], "macs": 40_000_000, "variant": {"parts": parts}
    }  # fmt: skip
    return {"name": name, "seed": seed, "ap": scores, "curve": points, **fixed}


def test_the_page_says_how_much_and_how_soon(tmp_path, recipe):
    results = recipe("results")
    folder = tmp_path / "experiments" / "runs" / "ablations"
    folder.mkdir(parents=True)
    for made in (
        record("mse-8", 0, 0.10, [(500, 0.04)]),
        record("mse-8", 1, 0.12, [(500, 0.06)]),
        record("rce-8", 0, 0.22, [(500, 0.11)]),
        record("rce-8", 1, 0.20, [(500, 0.11)]),
    ):
        (folder / f"{made['name']}-{made['seed']}.json").write_text(json.dumps(made))
    speed = {"rce-8": {"int8": 1.25, "fp32": 2.5}, "rce-4": {"int8": 3.0, "fp32": 4.0}}
    (tmp_path / "experiments" / "runs" / "ablation-speed.json").write_text(json.dumps(speed))
    page = results.page(tmp_path)
    assert "| Loss, stride 8 | MSE | 0.110 +- 0.010 |  |" in page
    assert "|  | RCE | 0.210 +- 0.010 | +10.0 | 500 | 40 M | 1.25 | 2 |" in page
    assert "| 8 | 0.210 +- 0.010 | 0.200 +- 0.010 | 0.180 +- 0.010 |" in page
    assert "Teacher" not in page  # one of two was not run


def test_crops_to_an_ap_are_interpolated_and_honest(recipe):
    results = recipe("results")
    slow, fast = record("a", 0, 0.1, [(500, 0.02)]), record("a", 1, 0.3, [(500, 0.2)])
    assert results.crops_to([fast], 0.25) == "750"
    assert results.crops_to([fast, slow], 0.25) == "1 of 2 runs"
    assert results.crops_to([slow], 0.25) == "not reached"
