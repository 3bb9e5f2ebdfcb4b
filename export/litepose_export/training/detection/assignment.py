"""Assignment of cells to people, and the losses that follow.

Task-aligned assignment (TOOD, Feng et al., arXiv 2108.07755): the cells whose score and box
agree best with a person learn it, with a soft score target.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name torch users expect

TOP_CELLS = 9
SCORE_POWER = 0.5
OVERLAP_POWER = 4.0
BOX_WEIGHT = 2.0


@dataclass(frozen=True, slots=True)
class Truth:
    """Padded boxes of a batch.

    Attributes:
        boxes: `(N, G, 4)` xyxy in input pixels.
        weights: `(N, G)`: 1 a labelled person, 0.5 a pseudo-label, 0 padding.
        ignored: `(N, I, 4)` boxes inside which a false positive costs nothing; empty padding.
    """

    boxes: Tensor
    weights: Tensor
    ignored: Tensor


def detection_loss(logits: Tensor, boxes: Tensor, centres: Tensor, truth: Truth) -> Tensor:
    """Soft cross-entropy on scores plus GIoU loss on the boxes of assigned cells.

    Args:
        logits: `(N, A)` float32.
        boxes: `(N, A, 4)` float32 predicted xyxy.
        centres: `(A, 2)` cell centres.
        truth: What is there.
    """
    scores, matched, weights = assign(logits.detach(), boxes.detach(), centres, truth)
    considered = torch.where(scores > 0, weights, 1.0)
    inside = _inside(centres, truth.ignored).any(dim=1)
    considered = torch.where(inside & (scores == 0), 0.0, considered)
    cross_entropy = F.softplus(logits) - scores * logits
    # Focal on the background: almost all cells are, and almost all of them are easy.
    easy = torch.where(scores > 0, 1.0, logits.detach().sigmoid() ** 1.5)
    total = scores.sum().clamp(min=1.0)
    score_loss = (cross_entropy * easy * considered).sum() / total
    positive = scores > 0
    overlap = generalised_iou(boxes[positive], matched[positive])
    box_loss = ((1 - overlap) * (scores * weights)[positive]).sum() / total
    return score_loss + BOX_WEIGHT * box_loss


@torch.no_grad()
def assign(
    logits: Tensor, boxes: Tensor, centres: Tensor, truth: Truth
) -> tuple[Tensor, Tensor, Tensor]:
    """Soft score targets `(N, A)`, the box `(N, A, 4)` and weight `(N, A)` behind each."""
    # Image by image: padding all to the most crowded one costs more than the loop.
    parts = [
        _assign_image(logits[i], boxes[i], centres, truth.boxes[i, real], truth.weights[i, real])
        for i, real in enumerate(truth.weights > 0)
    ]
    scores, matched, weights = (torch.stack(column) for column in zip(*parts, strict=True))
    return scores, matched, weights


def _assign_image(
    logits: Tensor, boxes: Tensor, centres: Tensor, people: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    if not len(people):
        return torch.zeros_like(logits), torch.zeros_like(boxes), torch.ones_like(logits)
    overlap = pairwise_iou(people, boxes)
    candidates = _inside(centres, people)
    aligned = logits.sigmoid() ** SCORE_POWER * overlap**OVERLAP_POWER * candidates
    top = aligned.topk(min(TOP_CELLS, aligned.shape[1]), dim=1)
    chosen = torch.zeros_like(candidates).scatter_(1, top.indices, top.values > 0)
    aligned, overlap = aligned * chosen, overlap * chosen
    best, owner = aligned.max(dim=0)
    # The target of each person's best cell is its overlap, that of the others a share of it.
    scale = overlap.amax(dim=1) / aligned.amax(dim=1).clamp(min=1e-9)
    return (best * scale[owner]).clamp(max=1.0), people[owner], weights[owner]


def _inside(centres: Tensor, boxes: Tensor) -> Tensor:
    """`(..., G, A)` whether a cell's centre lies in a box."""
    low = centres > boxes[..., None, :2]
    high = centres < boxes[..., None, 2:]
    return (low & high).all(dim=-1)


def pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """`(G, A)` overlap of `(G, 4)` with `(A, 4)` boxes."""
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    overlap = (high - low).clamp(min=0).prod(dim=-1)
    areas = _area(first)[:, None] + _area(second)[None] - overlap
    return overlap / areas.clamp(min=1e-6)


def generalised_iou(first: Tensor, second: Tensor) -> Tensor:
    """GIoU (Rezatofighi et al., arXiv 1902.09630) of `(M, 4)` boxes, row by row."""
    low = torch.maximum(first[:, :2], second[:, :2])
    high = torch.minimum(first[:, 2:], second[:, 2:])
    overlap = (high - low).clamp(min=0).prod(dim=-1)
    union = _area(first) + _area(second) - overlap
    hull_low = torch.minimum(first[:, :2], second[:, :2])
    hull_high = torch.maximum(first[:, 2:], second[:, 2:])
    hull = (hull_high - hull_low).clamp(min=0).prod(dim=-1).clamp(min=1e-6)
    return overlap / union.clamp(min=1e-6) - (hull - union) / hull


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)
