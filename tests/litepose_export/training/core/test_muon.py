"""Muon: orthogonal updates."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.export

import torch  # noqa: E402

from litepose_export.training.core import muon  # noqa: E402


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (12, 12)])
def test_muons_update_has_singular_values_near_one(shape):
    torch.manual_seed(0)
    # The spread of a gradient's singular values is wide before and narrow after.
    matrix = torch.randn(shape) @ torch.diag(torch.logspace(0, -2, shape[1]))
    values = torch.linalg.svdvals(muon.orthogonal(matrix[None])[0])
    assert values.max() < 1.3
    assert values.median() > 0.5


def test_muon_moves_weights_of_one_shape_as_if_each_were_alone():
    torch.manual_seed(0)
    shapes = [(8, 4, 3, 3), (8, 36, 1, 1), (8, 4, 3, 3), (16, 8, 1, 1)]
    together = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    alone = [torch.nn.Parameter(weight.detach().clone()) for weight in together]
    optimizers = [muon.Muon(together), *(muon.Muon([weight]) for weight in alone)]
    for _ in range(2):
        for first, second in zip(together, alone, strict=True):
            first.grad = torch.randn_like(first)
            second.grad = first.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for first, second in zip(together, alone, strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-3)


def test_muon_minimises():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(8, 4, 3, 3))
    target = torch.randn(8, 4, 3, 3)
    optimizer = muon.Muon([weight], lr=0.1)
    losses = []
    for _ in range(200):
        loss = ((weight - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses) < 0.1 * losses[0]
