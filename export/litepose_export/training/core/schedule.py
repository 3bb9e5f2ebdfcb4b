"""What a training run does when: learning rate, input size and data shares over its progress."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from litepose_edge.geometry import Size

# Up to a part of the run, so much of a batch from each source of data.
Mix = tuple[float, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Phase:
    """Up to `until`, as a part of the run, train at `input_size`."""

    until: float
    input_size: Size


@dataclass(frozen=True, slots=True)
class Schedule:
    """Progressive sizes under one cosine.

    Attributes:
        phases: In order; the last ends at 1.
        batch: Crops a step.
        learning_rate: AdamW's peak, after `warmup_steps`.
        muon_rate: Muon's peak for the kernels of hidden layers, or None to leave all to AdamW.
        warmup_steps: Linear warm-up.
        weight_decay: Decoupled, of both.
        ema_decay: Of the averaged weights, which are the result. Nearer to 1 the average lags
            behind the weights in short runs.
        ema_warmup: `min(ema_decay, (1 + step) / (ema_warmup + step))`.
        first_source_only_after: Part of the run after which only the first file is used.
        mixes: In place of that, `(until, shares)`: up to a part of the run, so much of a batch
            comes from each source, of which there are as many; the last goes on to the end.
        constant_rate_share: Part of the run at the peak rates; the cosine falls over the rest.
            With a large one a run can be prolonged: only its end depends on its length.
    """

    phases: tuple[Phase, ...] = (
        Phase(0.55, Size(96, 128)),
        Phase(0.85, Size(144, 192)),
        Phase(1.0, Size(192, 256)),
    )
    batch: int = 64
    learning_rate: float = 2e-3
    muon_rate: float | None = 0.02
    warmup_steps: int = 300
    weight_decay: float = 0.02
    ema_decay: float = 0.998
    ema_warmup: int = 10
    first_source_only_after: float = 0.75
    mixes: tuple[Mix, ...] = ()
    constant_rate_share: float = 0.0

    def factor(self, step: int, progress: float) -> float:
        """Part of the peak rates at a step and part of the run done, `progress` in `[0, 1]`."""
        warm = min(1.0, (step + 1) / self.warmup_steps)
        constant, fallen = self.constant_rate_share, 0.0
        if progress > constant:
            fallen = (min(progress, 1.0) - constant) / (1 - constant)
        cosine = 0.5 * (1 + math.cos(math.pi * fallen))
        return warm * (0.01 + 0.99 * cosine)

    def phase(self, progress: float) -> Phase:
        """The phase at a part of the run."""
        return next((p for p in self.phases if progress < p.until), self.phases[-1])

    def shares(self, progress: float, sources: int) -> tuple[float, ...]:
        """How much of a batch comes from each source: equal, at the end the first, or `mixes`."""
        if self.mixes:
            mix = next((m for until, m in self.mixes if progress < until), self.mixes[-1][1])
            return tuple(share / sum(mix) for share in mix)
        if sources == 1 or progress >= self.first_source_only_after:
            return (1.0, *[0.0] * (sources - 1))
        return (1 / sources,) * sources

    def decay(self, step: int) -> float:
        """Decay of the averaged weights at a step."""
        return min(self.ema_decay, (1 + step) / (self.ema_warmup + step))


def parse_mixes(texts: Sequence[str], sources: int | None) -> tuple[Mix, ...]:
    """`UNTIL:SHARE,SHARE,...` as a schedule's `mixes`.

    Args:
        texts: In the order of the run; the last goes on to its end.
        sources: How many shares each needs; any number if None.

    Raises:
        ValueError: A text is no mix of so many sources, or they are out of order.
    """
    mixes: list[Mix] = []
    for text in texts:
        until, _, shares = text.partition(":")
        try:
            mix = float(until), tuple(float(share) for share in shares.split(","))
        except ValueError as exc:
            raise ValueError(f"must be UNTIL:SHARE,SHARE,..., got '{text}'") from exc
        known = (mix[0], *mix[1])
        if not all(math.isfinite(n) for n in known) or min(known) < 0 or sum(mix[1]) <= 0:
            raise ValueError(f"'{text}' must be of numbers from 0 on, one share at least above 0")
        if sources is not None and len(mix[1]) != sources:
            raise ValueError(f"'{text}' must have {sources} shares, one for each file of data")
        mixes.append(mix)
    if any(later[0] <= earlier[0] for earlier, later in pairwise(mixes)):
        raise ValueError("must come in the order of the run, each up to a later part")
    return tuple(mixes)
