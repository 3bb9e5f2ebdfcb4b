"""The Pareto front of candidates: no other one is cheaper and better."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Numbers of the candidates on the front, by rising cost.

    Args:
        costs: Less is better.
        scores: More is better; of candidates equal in both, the first is taken.
    """
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -scores[i], i))
    front: list[int] = []
    for i in order:
        if not front or scores[i] > scores[front[-1]]:
            front.append(i)
    return front
