"""A supernet's step: the mean over its sub-networks, and targets of the largest one's."""

from __future__ import annotations

import pickle

import pytest

torch = pytest.importorskip("torch")

from litepose_edge.geometry import Size  # noqa: E402
from litepose_export.search.litepose.space import LitePoseSpace  # noqa: E402
from litepose_export.search.lrpose.space import LRPoseSpace  # noqa: E402
from litepose_export.search.supernet.loss import SupernetLoss  # noqa: E402
from litepose_export.search.supernet.sampling import SubNetworks  # noqa: E402
from litepose_export.search.supernet.sharing import (  # noqa: E402
    empty_network,
    loss_within,
    tensors_of,
)
from litepose_export.search.supernet.tasks import (  # noqa: E402
    CropTask,
    Photographs,
    SceneTask,
)


@pytest.fixture(params=["lrpose", "litepose"])
def learning(request, people_dataset):
    """A space, its task, a supernet and a batch."""
    photographs = Photographs((people_dataset,), people_dataset)
    torch.manual_seed(0)
    if request.param == "lrpose":
        space, task = LRPoseSpace(17, [Size(32, 64)]), CropTask(photographs)
    else:
        space = LitePoseSpace(17, [Size(32, 32)], blocks=(1, 1, 1, 1))
        task = SceneTask(photographs, 17, short_side=32)
    size = space.input_size(space.largest)
    batch = task.sampler(0).draw(2, size, (1.0,))
    return space, task, space.build(space.largest), batch


def test_a_step_is_the_mean_of_its_sub_networks(learning):
    space, task, network, batch = learning
    chosen = SubNetworks(space, 10, seed=1, sandwich=True)
    loss = SupernetLoss(space, chosen, task.loss())
    with torch.no_grad():
        together = loss(network, batch)
        alone = [
            loss_within(empty_network(space, genes), tensors_of(network), task.loss(), batch)
            for genes in chosen.at(0)
        ]
    torch.testing.assert_close(together, torch.stack(alone).mean())
    assert loss.step == 1


def test_distillation_asks_others_for_what_the_largest_answers(learning):
    space, task, network, batch = learning
    chosen = SubNetworks(space, 10, seed=1, sandwich=True)
    plain = SupernetLoss(space, chosen, task.loss())
    distilled = SupernetLoss(space, chosen, task.loss(), task=task)
    value = distilled(network, batch)
    value.backward()
    assert torch.isfinite(value)
    assert value.item() != pytest.approx(plain(network, batch).item())


def test_outputs_that_agree_cost_least(learning):
    space, task, network, _ = learning
    outputs, images = [], torch.randn(1, 3, 32, 32)
    network.eval()
    task.record(network, outputs)
    with torch.no_grad():
        features = network.features(images) if space.name == "litepose" else None
        network(images) if features is None else network.maps(features)
        own = float(task.distillation(outputs, outputs))
        other = [maps + torch.randn_like(maps) for maps in outputs]
        assert own < float(task.distillation(other, outputs))


def test_processes_that_judge_are_not_sent_photographs(learning):
    _, task, _, _ = learning  # which has loaded its photographs
    sent = pickle.dumps(task)
    assert len(sent) < 20_000
    assert pickle.loads(sent).photographs == task.photographs
