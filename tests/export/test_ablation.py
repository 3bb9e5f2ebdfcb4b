"""The comparison network and the script that trains its variants."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.coco import read_coco  # noqa: E402
from litepose_export.counting import count  # noqa: E402
from litepose_export.models.ablation import AblationPose, Parts  # noqa: E402
from litepose_export.models.lrpose import LRPose  # noqa: E402
from litepose_export.training.data import load_people  # noqa: E402

SIZE = Size(96, 128)


def script(name):
    path = Path(__file__).parents[2] / "export" / "recipes" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ablations():
    return script("ablations")


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


def test_the_base_is_lrpose_n():
    assert count(AblationPose(Parts()), SIZE) == count(LRPose("n"), SIZE)


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
