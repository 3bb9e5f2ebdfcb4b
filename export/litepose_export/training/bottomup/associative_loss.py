"""Targets and losses of bottom-up training: heatmaps of all people, and tags that group joints.

Associative embedding (Newell et al., arXiv 1611.05424) as LitePose trains it (arXiv 2205.01271).
Everything is computed from places in input pixels and the shape of the maps at hand; the
published code indexes tags for one fixed input size and trains the wrong cells at others.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

SIGMA_CELLS = 2.0
MAX_PEOPLE = 30


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How the parts of the loss are weighed; unless told otherwise as published.

    Attributes:
        positive: Cells are weighted `1 + positive * target`. The published error is plain: with
            one cell in a hundred positive, a network first learns for epochs to answer zero.
        tags: Of push and of pull, against the heat.
    """

    positive: float = 0.0
    tags: float = 1e-3

    def heat_of(self, probability: float) -> float:
        """The heat that costs least where a joint is with some probability.

        Equal to it in the published loss; weighted ones make more of doubtful joints, so that
        the decoder's threshold has to rise: to `heat_of(0.1)` from the published 0.1.
        """
        return (1 + self.positive) * probability / (1 + self.positive * probability)


PUBLISHED = LossWeights()


@dataclass(frozen=True, slots=True)
class AssociativeLoss:
    """The parts of a bottom-up network's loss, each a scalar.

    Attributes:
        heat: Squared error of both sets of heatmaps.
        push: How near different people's mean tags are, in `[0, 0.5]`.
        pull: Variance of tags within people.
        weights: How they are weighed.
    """

    heat: Tensor
    push: Tensor
    pull: Tensor
    weights: LossWeights

    @property
    def total(self) -> Tensor:
        """The weighted sum that is minimised."""
        return self.heat + self.weights.tags * (self.push + self.pull)


def associative_loss(
    coarse: Tensor,
    fine: Tensor,
    points: Tensor,
    labelled: Tensor,
    counted: Tensor,
    weights: LossWeights = PUBLISHED,
) -> AssociativeLoss:
    """Loss of a network's two outputs.

    Args:
        coarse: `(N, 2K, h, w)` float, K heatmaps and K tag maps.
        fine: `(N, K, H, W)` float heatmaps.
        points: `(N, P, K, 2)` float `(x, y)` in input pixels.
        labelled: `(N, P, K)` bool; false also for people who fill up a smaller scene.
        counted: `(N, height, width)` float over the input, 0 where people are not labelled.
        weights: How the parts are weighed.
    """
    joints = fine.shape[1]
    size = (counted.shape[1], counted.shape[2])
    positive = weights.positive
    heat = heat_loss(coarse[:, :joints], points, labelled, counted, positive)
    heat = heat + heat_loss(fine, points, labelled, counted, positive)
    push, pull = tag_loss(coarse[:, joints:], points, labelled, size)
    return AssociativeLoss(heat, push, pull, weights)


def heat_loss(
    maps: Tensor, points: Tensor, labelled: Tensor, counted: Tensor, positive: float = 0.0
) -> Tensor:
    """Mean squared error to `scene_heatmaps` over all cells, those not counted being right.

    Args:
        maps: `(N, K, h, w)` float.
        points: `(N, P, K, 2)` float in input pixels.
        labelled: `(N, P, K)` bool.
        counted: `(N, height, width)` float over the input.
        positive: Cells are weighted `1 + positive * target`.
    """
    cells, inside = cells_of(points, labelled, (counted.shape[1], counted.shape[2]), maps)
    height, width = maps.shape[2:]
    target = scene_heatmaps(cells, inside, height, width)
    # A cell counts where most of it does.
    mask = F.adaptive_avg_pool2d(counted[:, None], (height, width)) > 0.5
    loss: Tensor = ((maps - target) ** 2 * (1 + positive * target) * mask).mean()
    return loss


def cells_of(
    points: Tensor, labelled: Tensor, input_size: tuple[int, int], maps: Tensor
) -> tuple[Tensor, Tensor]:
    """The cell each point lies in: whole cells, as the published decoding expects.

    Args:
        points: `(N, P, K, 2)` float in input pixels.
        labelled: `(N, P, K)` bool.
        input_size: Height and width of the input.
        maps: `(..., h, w)`, only their shape counts.

    Returns:
        cells: `(N, P, K, 2)` int64 `(x, y)`, within the maps.
        inside: `(N, P, K)` bool: labelled, and not beside the maps.
    """
    height, width = maps.shape[-2:]
    scale = points.new_tensor([width / input_size[1], height / input_size[0]])
    cells = (points * scale).floor().long()
    limit = torch.tensor([width, height], device=cells.device)
    inside = labelled & ((cells >= 0) & (cells < limit)).all(dim=-1)
    return torch.minimum(cells.clamp(min=0), limit - 1), inside


def scene_heatmaps(cells: Tensor, inside: Tensor, height: int, width: int) -> Tensor:
    """Gaussians of two cells around whole cells, those of all people merged by the maximum.

    Args:
        cells: `(N, P, K, 2)` int64.
        inside: `(N, P, K)` bool; others leave no trace.
        height: Rows of the maps.
        width: Columns of the maps.

    Returns:
        `(N, K, height, width)` float32 in `[0, 1]`, zero beyond 7 cells of every centre.
    """
    reach = int(3 * SIGMA_CELLS + 1)

    def bell(at: Tensor, count: int) -> Tensor:
        steps = torch.arange(count, device=at.device) - at[..., None]
        gaussian = torch.exp(-(steps.float() ** 2) / (2 * SIGMA_CELLS**2))
        return gaussian * (steps.abs() <= reach)

    down = bell(cells[..., 1], height) * inside[..., None]
    across = bell(cells[..., 0], width)
    maps = cells.new_zeros((len(cells), cells.shape[2], height, width), dtype=torch.float32)
    # One person at a time: all at once would need P times the memory.
    for person in range(cells.shape[1]):
        one = down[:, person, :, :, None] * across[:, person, :, None, :]
        maps = torch.maximum(maps, one)
    return maps


def tag_loss(
    tags: Tensor, points: Tensor, labelled: Tensor, input_size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """How near people's tags are to each other, and how far a person's are apart.

    At most 30 people of an image count, as published.

    Args:
        tags: `(N, K, h, w)` float.
        points: `(N, P, K, 2)` float in input pixels.
        labelled: `(N, P, K)` bool.
        input_size: Height and width of the input.

    Returns:
        push: Scalar, `exp(-d^2) / 2` averaged over pairs of people, then over images.
        pull: Scalar, the squared distance to the person's mean tag averaged over a person's
            joints, then people, then images.
    """
    cells, inside = cells_of(points, labelled, input_size, tags)
    pushes, pulls = [], []
    joints = torch.arange(tags.shape[1], device=tags.device)
    for maps, places, there in zip(tags, cells, inside, strict=True):
        people = there.any(dim=1).nonzero()[:MAX_PEOPLE, 0]
        places, there = places[people], there[people].float()
        found = maps[joints, places[..., 1], places[..., 0]]
        sizes = there.sum(dim=1).clamp(min=1)
        means = (found * there).sum(dim=1) / sizes
        scatter = ((found - means[:, None]) ** 2 * there).sum(dim=1) / sizes
        count = len(people)
        pulls.append(scatter.sum() / max(count, 1))
        alike = torch.exp(-((means[:, None] - means[None]) ** 2)).sum() - count
        pushes.append(0.5 * alike / max(count * (count - 1), 1))
    return torch.stack(pushes).mean(), torch.stack(pulls).mean()
