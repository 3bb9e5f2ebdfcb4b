"""Makes batches in a thread beside the optimiser."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from litepose_edge.geometry import Size

BatchT = TypeVar("BatchT", covariant=True)


class Sampler(Protocol[BatchT]):
    """Makes batches, all of whose randomness is of one stream."""

    @property
    def rng(self) -> np.random.Generator:
        """The random stream."""

    def draw(self, count: int, input_size: Size, shares: tuple[float, ...]) -> BatchT:
        """One batch of `count` samples, `shares` of it from each annotation file."""


class Prefetcher(Generic[BatchT]):
    """Runs a sampler in one background thread and keeps a few batches ready.

    Which batches come depends on the sampler's random stream alone: it goes on behind the last
    batch that was taken, however many were ready behind that one.

    Args:
        sampler: Makes the batches; nothing else draws from its stream.
        depth: How many batches are kept ready.
    """

    def __init__(self, sampler: Sampler[BatchT], depth: int = 4) -> None:
        self._sampler = sampler
        # Batches, each with the state of the random stream behind it.
        self._ready: queue.Queue[tuple[BatchT, Mapping[str, Any]] | Exception] = queue.Queue(depth)
        self._taken: Mapping[str, Any] = sampler.rng.bit_generator.state
        self._stopped = threading.Event()
        self._request: tuple[int, Size, tuple[float, ...]] | None = None
        self._thread: threading.Thread | None = None

    def batches(self, count: int, input_size: Size, shares: tuple[float, ...]) -> Iterator[BatchT]:
        """Batches without end; call again to change what they are made of."""
        self.close()
        self._sampler.rng.bit_generator.state = self._taken
        self._stopped.clear()
        self._request = (count, input_size, shares)
        self._thread = threading.Thread(target=self._produce, daemon=True)
        self._thread.start()
        while True:
            made = self._ready.get()
            if isinstance(made, Exception):
                raise made
            batch, self._taken = made
            yield batch

    def close(self) -> None:
        """Stop the thread and drop what it had ready."""
        self._stopped.set()
        if self._thread is not None:
            while self._thread.is_alive():
                self._drain()
                self._thread.join(0.05)
            self._thread = None
        self._drain()

    def _drain(self) -> None:
        while True:
            try:
                self._ready.get_nowait()
            except queue.Empty:
                return

    def _produce(self) -> None:
        assert self._request is not None
        while not self._stopped.is_set():
            try:
                batch = self._sampler.draw(*self._request)
                made: tuple[BatchT, Mapping[str, Any]] | Exception
                made = batch, self._sampler.rng.bit_generator.state
            except Exception as exc:  # noqa: BLE001 - handed to the consumer, which raises it
                made = exc
            while not self._stopped.is_set():
                try:
                    self._ready.put(made, timeout=0.2)
                    break
                except queue.Full:
                    continue
