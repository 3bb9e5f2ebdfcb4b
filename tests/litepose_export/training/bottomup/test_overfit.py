"""Bottom-up training, export and decoding agree: an overfitted network finds its people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.slow]

import litepose_edge  # noqa: E402
from litepose_edge import Estimator  # noqa: E402
from litepose_edge.geometry import Size  # noqa: E402
from litepose_edge.measure.accuracy.coco import CocoDataset, read_coco  # noqa: E402
from litepose_edge.measure.accuracy.predictions import evaluate_end_to_end  # noqa: E402
from litepose_export.conversion import export  # noqa: E402
from litepose_export.conversion.to_onnx import GraphOptions  # noqa: E402
from litepose_export.models import networks  # noqa: E402
from litepose_export.training.bottomup.loss import MIN_PEAK, BottomUpLoss  # noqa: E402
from litepose_export.training.bottomup.views import ViewSampler, load_photographs  # noqa: E402
from litepose_export.training.core import initialization  # noqa: E402
from litepose_export.training.core.loop import Budget, Trainer  # noqa: E402
from litepose_export.training.core.schedule import Phase, Schedule  # noqa: E402
from litepose_export.training.data.prefetcher import Prefetcher  # noqa: E402
from paths import SHARED  # noqa: E402
from training_samples import PLAIN_VIEWS  # noqa: E402

TRAIN = SHARED / "data" / "coco" / "train.json"
LRPOSE = Path(litepose_edge.__file__).parent / "models/lrpose-s.fp32.onnx"
NETWORK, SIZE, STEPS = "litepose-xs-dense", Size(192, 192), 1800
TALL_PX, LABELLED = 200, 12
SCHEDULE = Schedule(
    phases=(Phase(1.0, SIZE),), batch=4, learning_rate=4e-3, warmup_steps=20, ema_decay=0.99
)


def twenty_photographs(dataset: CocoDataset, folder: Path) -> CocoDataset:
    """The first ten with one person and the first ten with several, all tall and all labelled."""

    def clear(image):
        tall = image.boxes_xyxy[:, 3] - image.boxes_xyxy[:, 1] >= TALL_PX
        labelled = (image.keypoints[..., 2] > 0).sum(axis=1) >= LABELLED
        return len(tall) > 0 and tall.all() and labelled.all()

    found = [image for image in dataset if clear(image)]
    alone = [image for image in found if len(image.boxes_xyxy) == 1][:10]
    together = [image for image in found if len(image.boxes_xyxy) > 1][:10]
    chosen = {image.image_id for image in (*alone, *together)}
    document = json.loads(dataset.path.read_text())
    document["images"] = [e for e in document["images"] if e["id"] in chosen]
    document["annotations"] = [e for e in document["annotations"] if e["image_id"] in chosen]
    path = folder / "twenty.json"
    path.write_text(json.dumps(document))
    return read_coco(path, dataset.path.parent / "images")


def test_twenty_overfitted_photographs_come_back_through_export_and_decoding(tmp_path):
    if not TRAIN.exists():
        pytest.skip("needs the training photographs, which are not part of the project")
    dataset = twenty_photographs(read_coco(TRAIN), tmp_path)
    assert len(dataset) == 20
    torch.manual_seed(0)
    found = networks.find(NETWORK)
    prefetcher = Prefetcher(ViewSampler(load_photographs([dataset]), PLAIN_VIEWS, seed=0))
    trainer = Trainer(
        found.build(17, SIZE),
        batches=lambda size, shares: prefetcher.batches(SCHEDULE.batch, size, shares),
        loss=BottomUpLoss(),
        schedule=SCHEDULE,
        budget=Budget(steps=STEPS),
        folder=tmp_path,
    )
    # Of a released network comes the trunk; head and tags start from scratch.
    initialization.start_from(trainer.network, LRPOSE, trainer.run_example)
    trainer.average.load_state_dict(trainer.network.state_dict())
    trainer.run(on_step=lambda progress: None)
    prefetcher.close()
    options = export.ExportOptions(
        width=SIZE.width,
        height=SIZE.height,
        graph=GraphOptions(rewrite_deconvolutions=True),
        threshold=MIN_PEAK,
    )
    path = tmp_path / "learned.onnx"
    export.export(NETWORK, trainer.checkpoint_path, path, options)
    with Estimator(path, detector=None, min_score=0.02) as estimator:
        metrics, _ = evaluate_end_to_end(estimator, dataset, lambda: None)
    assert metrics.ap >= 0.90
