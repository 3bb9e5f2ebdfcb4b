"""COCO's own layout is read by every command, and a target that cannot be written is one line."""

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread")]

import torch  # noqa: E402

import litepose_export  # noqa: E402
from litepose_edge.backends import bundled  # noqa: E402
from litepose_edge.errors import OutputError  # noqa: E402
from litepose_edge.measure.accuracy.coco import CocoDataset, read_coco  # noqa: E402
from litepose_export.cli import app  # noqa: E402
from litepose_export.models.architectures.lrpose import LRPose  # noqa: E402
from litepose_export.training.core.checkpoint_file import (  # noqa: E402
    append_row,
    write_checkpoint,
)
from litepose_export.training.data.packing import pack  # noqa: E402
from litepose_export.training.data.people import load_people  # noqa: E402


@pytest.fixture(scope="module")
def coco_layout(photo_dataset, tmp_path_factory):
    """annotations/people.json, and the photographs in train2017/ beside that folder."""
    root = tmp_path_factory.mktemp("layout")
    (root / "annotations").mkdir()
    path = root / "annotations" / "people.json"
    shutil.copy(photo_dataset, path)
    shutil.copytree(photo_dataset.parent / "images", root / "train2017")
    return path, ["--images", str(root / "nothing"), "--images", str(root / "train2017")]


def test_pack_and_train_read_the_folders_given(coco_layout, tmp_path, capsys):
    path, images = coco_layout
    pack = ["pack", "--data", str(path), "--out", str(tmp_path / "shards")]
    assert app.run(pack) == 1
    assert "--images DIR" in capsys.readouterr().err
    assert app.run([*pack, *images]) == 0
    run = ["train", "lrpose-n", "--data", str(path), "--dev", str(path), "--steps", "1"]
    assert app.run([*run, "--out", str(tmp_path / "run"), *images]) == 0
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "last.pt",
        "log.csv",
        "run.json",
    ]


@pytest.mark.parametrize("command", ["quantize", "export"])
def test_calibration_gate_and_samples_are_read_from_the_folders_given(
    coco_layout, tmp_path, monkeypatch, command
):
    path, images = coco_layout
    asked = []

    def stop(*args, **options):
        asked.append(options)
        raise OutputError("seen enough")

    monkeypatch.setattr(litepose_export, command, stop)
    arguments = {
        "quantize": ["model.onnx", "--calibration", str(path), "--gate", str(path)],
        "export": ["lrpose-n", "--checkpoint", "last.pt", "--samples", str(path)],
    }[command]
    names = {"quantize": ("calibration", "held_out"), "export": ("samples",)}[command]
    out = ["--out", str(tmp_path / "out.onnx")]
    assert app.run([command, *arguments, *out, *images]) == 1
    for name in names:
        assert isinstance(asked[-1][name], CocoDataset)
        assert all(image.path.exists() for image in asked[-1][name])
    assert app.run([command, *arguments, *out]) == 1
    assert all(asked[-1][name] == path for name in names)


@pytest.mark.parametrize(
    "arguments",
    [
        ["quantize", "m.onnx", "--calibration", "FOLDER", "--out", "i.onnx"],
        ["quantize-openvino", "m.onnx", "--calibration", "FOLDER", "--out", "i.xml"],
        ["export", "lrpose-n", "--checkpoint", "n.pt", "--out", "n.onnx"],
        ["train", "lrpose-n", "--data", "crops-001.npz", "--steps", "1", "--out", "run"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_folders_of_photographs_without_a_coco_file_are_refused(
    arguments, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    arguments = [str(tmp_path) if given == "FOLDER" else given for given in arguments]
    assert app.run([*arguments, "--images", str(tmp_path)]) == 2
    assert "--images: they are of a COCO JSON" in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_functions_do_not_overwrite_what_they_read(photo_dataset, tmp_path):
    model, weights = tmp_path / "n.onnx", tmp_path / "n.pt"
    shutil.copy(bundled.FOLDER / "lrpose-s.fp32.onnx", model)
    torch.save(LRPose("n").state_dict(), weights)
    labels = shutil.copytree(photo_dataset.parent, tmp_path / "set") / photo_dataset.name
    before = {path: path.read_bytes() for path in (model, weights, labels)}
    manifest = litepose_export.heatmap_manifest("own", input_size=(64, 64))
    for run in (
        lambda: litepose_export.quantize(model, model, calibration=photo_dataset, force=True),
        lambda: litepose_export.quantize(model, labels, calibration=labels, force=True),
        lambda: litepose_export.export("lrpose-n", weights, checkpoint=weights),
        lambda: litepose_export.export(LRPose("n"), weights, manifest, checkpoint=weights),
        lambda: litepose_export.make_portable(model, model),
        lambda: litepose_export.make_portable(
            "lrpose-s", tmp_path / ".." / tmp_path.name / "n.onnx", detector=model
        ),
    ):
        with pytest.raises(OutputError, match="which is read"):
            run()
    assert {path: path.read_bytes() for path in before} == before


def test_a_folder_that_cannot_be_made_is_one_line(photo_dataset, tmp_path, capsys):
    (tmp_path / "file").write_text("old")
    target = str(tmp_path / "file" / "below")
    for arguments in (["pack"], ["train", "lrpose-n", "--steps", "1"]):
        assert app.run([*arguments, "--data", str(photo_dataset), "--out", target]) == 1
        assert capsys.readouterr().err.strip().startswith("error: cannot write")
    assert (tmp_path / "file").read_text() == "old"


def test_a_folder_that_vanishes_meanwhile_is_an_error(photo_dataset, tmp_path):
    folder = tmp_path / "shards"
    people = load_people([read_coco(photo_dataset)])
    calls = []

    def lose_the_first_shard():
        if list(folder.glob("*.npz")) and not calls:
            calls.append(shutil.rmtree(folder))

    with pytest.raises(OutputError, match=r"crops-001\.npz"):
        pack(people, None, folder, max_bytes=60_000, progress=lose_the_first_shard)
    assert len(pack(people, None, folder, max_bytes=60_000)) > 1
    with pytest.raises(OutputError, match=r"last\.pt"):
        write_checkpoint({"step": 1}, tmp_path / "gone" / "last.pt")


def test_a_full_disk_keeps_the_old_checkpoint_and_log(tmp_path):
    resource = pytest.importorskip("resource")
    checkpoint, log = tmp_path / "last.pt", tmp_path / "log.csv"
    write_checkpoint({"step": 1}, checkpoint)
    append_row(log, ["step", "loss"], {"step": 1, "loss": 0.5})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        with pytest.raises(OutputError, match=r"last\.pt"):
            write_checkpoint({"step": 2, "weights": torch.zeros(1000)}, checkpoint)
        with pytest.raises(OutputError, match=r"log\.csv"):
            append_row(log, ["step", "loss"], {"step": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    append_row(log, ["step", "loss"], {"step": 3})
    assert torch.load(checkpoint, weights_only=True) == {"step": 1}
    assert log.read_bytes() == b"step,loss\r\n1,0.5\r\n3,\r\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last.pt", "log.csv"]


def test_a_log_of_an_older_version_keeps_its_columns(tmp_path):
    log = tmp_path / "log.csv"
    append_row(log, ["step", "loss"], {"step": 1, "loss": 0.5})
    append_row(log, ["step", "loss", "ap"], {"step": 2, "loss": 0.25, "ap": 0.1})
    assert log.read_bytes() == b"step,loss\r\n1,0.5\r\n2,0.25\r\n"
