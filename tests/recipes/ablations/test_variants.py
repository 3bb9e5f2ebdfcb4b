"""The ablation study's variants: what they are and that they are those of the records."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import torch  # noqa: E402

from litepose_export.models.architectures.ablation import AblationPose  # noqa: E402
from litepose_export.models.counting import count  # noqa: E402
from paths import ROOT  # noqa: E402
from recipes.ablations.variants import INPUT, VARIANTS, Variant  # noqa: E402

RECORDS = ROOT / "docs" / "experiments" / "runs" / "ablations"


def test_every_variant_gives_maps_of_its_stride_and_learns_everywhere():
    crops = torch.randn(2, 3, INPUT.height, INPUT.width)
    for name, variant in VARIANTS.items():
        torch.manual_seed(0)
        network = AblationPose(variant.parts)
        stride = variant.parts.stride
        maps = network(crops)
        assert maps.shape == (2, 17, INPUT.height // stride, INPUT.width // stride), name
        # Residual branches start as identities: nudge them so that gradients pass.
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        network(crops).square().mean().backward()
        idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        assert not idle, (name, idle)


def test_the_networks_are_those_of_the_released_records():
    records = sorted(RECORDS.glob("*.json"))
    assert len(records) > 20
    for record in map(json.loads, (path.read_text("utf-8") for path in records)):
        cost = count(AblationPose(VARIANTS[record["name"]].parts), INPUT)
        assert (cost.parameters, cost.macs) == (record["parameters"], record["macs"])


def test_variants_differ_from_what_they_are_compared_with_in_one_thing():
    base = Variant()
    for name in ("mse-8", "rce-residual-8", "rce-16", "rce-4", "no-teacher", "rmpg", "dense"):
        variant = VARIANTS[name]
        differing = [
            f for f in ("loss", "teacher_share", "part") if getattr(variant, f) != getattr(base, f)
        ]
        differing += [
            f
            for f in ("stride", "kernel", "head", "correction", "refinement")
            if getattr(variant.parts, f) != getattr(base.parts, f)
        ]
        assert len(differing) == 1, name
