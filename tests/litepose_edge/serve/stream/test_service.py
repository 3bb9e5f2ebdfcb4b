"""What may be changed about a stream, and what it says when that does not go well."""

from __future__ import annotations

from litepose_edge.errors import ModelIntegrityError
from litepose_edge.serve.stream.capture import CaptureOptions
from litepose_edge.serve.stream.controls import Controls
from litepose_edge.serve.stream.models import Loaded, Models
from litepose_edge.serve.stream.service import Service, ServiceOptions
from live_service import MODELS, film, load, wait_until


def load_but_m(name: str) -> Loaded:
    if name == "lrpose-m":
        raise ModelIntegrityError("/home/someone/lrpose-m.onnx is damaged")
    return load(name)


def test_a_model_that_cannot_be_loaded_is_told_and_the_one_before_goes_on():
    options = ServiceOptions(
        capture=CaptureOptions("film.mp4", film),
        controls=Controls(model="lrpose-n"),
        models=MODELS,
    )
    service = Service(options, Models(load_but_m, "lrpose-n"))
    try:
        service.change({"model": "lrpose-m"})
        wait_until(lambda: service.status()["reason"] and service.controls.model == "lrpose-n")
        # The state's own reason comes first while the stream does not run.
        service.state.set(service.state.now[0], None)
        reason = service.status()["reason"]
        assert "lrpose-m" in reason
        assert "/home" not in reason
        assert service.models.current.name == "lrpose-n"
        service.change({"model": "lrpose-s"})
        wait_until(lambda: service.models.current.name == "lrpose-s")
        assert service.status()["reason"] is None
    finally:
        service.stop()
