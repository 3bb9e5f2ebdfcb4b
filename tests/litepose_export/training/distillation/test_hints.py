"""Hints from a teacher's hidden features."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import read_coco  # noqa: E402
from litepose_export.errors import ExportError  # noqa: E402
from litepose_export.models.architectures.litepose import Arch, Block, LitePose  # noqa: E402
from litepose_export.models.architectures.litepose_dense import DenseLitePose  # noqa: E402
from litepose_export.training.bottomup.loss import BottomUpLoss  # noqa: E402
from litepose_export.training.bottomup.views import ViewSampler, load_photographs  # noqa: E402
from litepose_export.training.core.normalization import normalise  # noqa: E402
from litepose_export.training.distillation.hints import Hints  # noqa: E402
from training_samples import PLAIN_VIEWS  # noqa: E402

TINY = Arch(8, (8, 8, 8, 8), (8, 8, 8), ((Block(2, 3),),) * 4)


def test_hints_lead_to_features_that_maps_alone_do_not(photo_dataset):
    torch.manual_seed(0)
    photographs = load_photographs([read_coco(photo_dataset)])
    batch = ViewSampler(photographs, PLAIN_VIEWS, seed=0).draw(8, Size(64, 64), (1.0,))
    teacher = DenseLitePose("n")
    kept = {name: value.clone() for name, value in teacher.state_dict().items()}
    errors = {}
    for hinted in (False, True):
        torch.manual_seed(1)
        network = LitePose(TINY)
        hints = Hints(network, teacher, weight=1.0)
        loss = BottomUpLoss(hints=hints if hinted else None)
        # The maps to the teacher's features are trained either way, the network by its own loss.
        optimiser = torch.optim.Adam([*network.parameters(), *hints.parameters()], lr=1e-2)
        for _ in range(30):
            optimiser.zero_grad()
            images = normalise(batch.crops)
            features = [f.detach() for f in network.features(images)]
            (hints(images, features) + loss(network, batch)).backward()
            optimiser.step()
        errors[hinted] = hints(images, network.features(images)).item()
    assert errors[True] < 0.9 * errors[False]
    # The teacher does not learn.
    assert all(torch.equal(value, kept[name]) for name, value in teacher.state_dict().items())


def test_hints_count_less_towards_the_end_of_a_run():
    hints = Hints(LitePose(TINY), DenseLitePose("n"), weight=0.4)
    weights = []
    for part in (0.0, 0.6, 0.71, 0.82, 1.0):
        hints.set_progress(part)
        weights.append(hints.weight)
    assert weights == pytest.approx([0.4, 0.4, 0.22, 0.04, 0.04])


def test_hints_ask_for_features_at_the_same_strides():
    class Coarse(DenseLitePose):
        def features(self, x):
            return [torch.nn.functional.avg_pool2d(f, 2) for f in super().features(x)]

    with pytest.raises(ExportError, match="strides"):
        Hints(LitePose(TINY), Coarse("n"))
