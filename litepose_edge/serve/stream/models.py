"""The estimator in use, and its exchange for one of another model while the stream runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from litepose_edge.errors import InvalidBoxError
from litepose_edge.estimator import Estimator
from litepose_edge.manifest.parts import MIN_KEYPOINT_SCORE
from litepose_edge.skeletons import Skeleton

WARM_UP_SIDE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """An estimator and what is known of its model.

    Attributes:
        name: As viewers choose it.
        estimator: Opens its networks when they are first needed.
        skeleton: The keypoints it finds.
        min_keypoint_score: A keypoint of at least this score is visible.
    """

    name: str
    estimator: Estimator
    skeleton: Skeleton
    min_keypoint_score: float = MIN_KEYPOINT_SCORE


class Models:
    """One model at a time; the one before is closed when its last user is done.

    Args:
        load: A model by its name.
        name: Of the first one, which is loaded here.

    Attributes:
        current: The model in use.

    Raises:
        ModelError: The first one cannot be used.
    """

    def __init__(self, load: Callable[[str], Loaded], name: str) -> None:
        self._load = load
        self._lock = threading.Lock()
        self.current = load(name)
        self._users = {self.current: 0}

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[Loaded]:
        """The current model, which stays open in the block."""
        with self._lock:
            model = self.current
            self._users[model] = self._users.get(model, 0) + 1
        try:
            yield model
        finally:
            with self._lock:
                self._users[model] -= 1
            self._close_unused()

    def switch(self, name: str) -> None:
        """Put the model of this name in the place of the current one; takes up to some seconds.

        Raises:
            ModelError: It cannot be used; the current one stays.
        """
        if name == self.current.name:
            return
        model = self._load(name)
        try:
            warm_up(model.estimator)
        except BaseException:
            model.estimator.close()
            raise
        with self._lock:
            self._users[model] = 0
            self.current = model
        self._close_unused()

    def close(self) -> None:
        """Free the networks of all."""
        with self._lock:
            models = list(self._users)
        for model in models:
            model.estimator.close()

    def _close_unused(self) -> None:
        with self._lock:
            unused = [m for m, users in self._users.items() if not users and m is not self.current]
            for model in unused:
                del self._users[model]
        for model in unused:
            model.estimator.close()


def warm_up(estimator: Estimator) -> None:
    """Open the networks, so that the first frame does not wait for them."""
    nothing = np.zeros((WARM_UP_SIDE, WARM_UP_SIDE, 3), np.uint8)
    estimator.predict(nothing)
    with contextlib.suppress(InvalidBoxError):  # of networks that find people by themselves
        estimator.predict(nothing, boxes_xyxy=[[0, 0, WARM_UP_SIDE, WARM_UP_SIDE]])
