"""A service of drawn frames that runs in this process: a fixed box, the real small network."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import numpy as np

from litepose_edge import COCO_17, Estimator
from litepose_edge.serve.options import WebOptions
from litepose_edge.serve.stream.capture import CaptureOptions
from litepose_edge.serve.stream.controls import Controls
from litepose_edge.serve.stream.models import Loaded, Models
from litepose_edge.serve.stream.recorder import Recorder
from litepose_edge.serve.stream.service import Service, ServiceOptions
from litepose_edge.serve.web import server
from litepose_edge.sources import Frame, FrameSource

WIDTH, HEIGHT, FPS = 160, 120, 30.0
BOX = (30.0, 10.0, 90.0, 110.0)
TOKEN = "0123456789abcdef"
MODELS = ("lrpose-n", "lrpose-s", "lrpose-m")


def load(name: str) -> Loaded:
    """A model that finds a person in a fixed box, whatever is there."""
    estimator = Estimator(name, detector=lambda frame: np.array([BOX]), threads=1, min_score=0.0)
    return Loaded(name, estimator, COCO_17)


def frames(count: int, fps: float = FPS) -> Iterator[Frame]:
    """Noise with a square that moves."""
    rng = np.random.default_rng(0)
    for index in range(count):
        image = rng.integers(0, 64, (HEIGHT, WIDTH, 3), np.uint8)
        image[20:60, 10 + index : 50 + index] = (40, 120, 200)
        yield Frame(image, index, index / fps)


def film(count: int = 60, fps: float = FPS) -> FrameSource:
    """A source that ends, as a film does."""
    return FrameSource("film", frames(count, fps), fps=fps)


def make_service(
    open_source: Callable[[], FrameSource] = film,
    *,
    once: bool = False,
    recorder: Recorder | None = None,
    told: Callable[..., None] | None = None,
) -> Service:
    """A service that has not been started."""
    return Service(
        ServiceOptions(
            capture=CaptureOptions("film.mp4", open_source, once=once),
            controls=Controls(model="lrpose-n", min_score=0.0),
            models=MODELS,
        ),
        Models(load, "lrpose-n"),
        recorder,
        told,
    )


class RunningService:
    """One that answers.

    Attributes:
        service: What it serves.
        url: Where, such as `http://127.0.0.1:8080/`.
        port: Of it.
    """

    def __init__(self, service: Service, answering: server.Server, url: str) -> None:
        self.service, self.answering, self.url = service, answering, url
        self.port = int(url.rstrip("/").rpartition(":")[2])

    @property
    def socket_url(self) -> str:
        """The same for WebSockets, without a slash at its end."""
        return self.url.replace("http", "ws", 1).rstrip("/")


@contextlib.contextmanager
def running(service: Service, options: WebOptions | None = None) -> Iterator[RunningService]:
    """The service, answering on a free port of this machine until the block ends."""
    started = threading.Event()
    listening = server.listen("127.0.0.1", 0)
    url = server.url_of(listening)
    answering = server.Server(service, options or WebOptions(), listening, started.set)
    thread = threading.Thread(target=answering.run, daemon=True)
    thread.start()
    try:
        assert started.wait(20)
        yield RunningService(service, answering, url)
    finally:
        answering.stop()
        thread.join(20)
        assert not thread.is_alive()


def wait_until(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Return when it is true; fail when it is not in time."""
    waiting = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        waiting.wait(0.02)
    raise AssertionError("it did not come true in time")
