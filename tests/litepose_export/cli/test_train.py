"""What `train` refuses, and what `pack` and `plot` write."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export


from litepose_export.cli import app  # noqa: E402


@pytest.mark.parametrize(
    ("network", "extra"),
    [
        ("litepose-xl", []),  # there is none
        ("litepose-xs", ["--teacher", "a.pt", "--teacher", "b.pt"]),
        ("persondet", ["--teacher", "a.onnx", "--teacher", "b.onnx"]),
        ("lrpose-n", ["--teacher", "a.onnx"]),
    ],
)
def test_what_cannot_be_trained_is_refused(network, extra, photo_dataset, tmp_path, capsys):
    arguments = ["train", network, "--data", str(photo_dataset), "--out", str(tmp_path / "run")]
    assert app.run([*arguments, "--steps", "1", *extra]) != 0
    assert network in capsys.readouterr().err or extra
    assert not (tmp_path / "run" / "last.pt").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["lrpose-s+lrpose-m"],  # only with --data-on-device
        ["persondet", "--data-on-device"],
        ["persondet", "--reinit", "trunk"],
        ["persondet", "--qat", "--init", "persondet.onnx"],
        ["lrpose-s", "--qat"],  # without a file to start from
        ["lrpose-s", "--minutes", "1"],  # and steps
        ["lrpose-s+persondet", "--data-on-device"],
        ["lrpose-s", "--data-on-device", "--teacher", "a.xml", "--teacher", "b.xml"],
        ["persondet", "--augmentation", "weak"],
        ["persondet", "--loss", "mse"],
        ["litepose-xs", "--loss", "rce"],
        ["litepose-xs", "--teacher-share", "0.5"],
        ["lrpose-n+lrpose-s", "--data-on-device", "--name", "ours"],
        ["litepose-xs", "--mix", "1:1"],
        ["lrpose-s", "--mix", "1:0.5,0.5"],  # of one file
        ["lrpose-s", "--mix", "half:1"],
        ["lrpose-s", "--augmentation", "gentle"],
        ["lrpose-s", "--device", "foo"],
        ["lrpose-s", "--seed", "-1"],
        ["lrpose-s", "--seed", str(2**64)],
    ],
)
def test_options_that_do_not_fit_a_network_are_refused(arguments, photo_dataset, tmp_path):
    common = ["--data", str(photo_dataset), "--steps", "1", "--out", str(tmp_path)]
    assert app.run(["train", *arguments, *common]) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize("network", ["lrpose-n", "litepose-xs", "persondet"])
def test_cuda_where_there_is_none_is_refused(network, photo_dataset, tmp_path, capsys):
    arguments = ["train", network, "--data", str(photo_dataset), "--out", str(tmp_path / "run")]
    assert app.run([*arguments, "--steps", "1", "--device", "cuda"]) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert "finds no CUDA GPU here" in said
    assert "--device cpu" in said


@pytest.mark.parametrize("network", ["lrpose-n", "litepose-xs", "persondet"])
def test_a_dev_file_without_labels_is_refused_before_training(
    network, photo_dataset, unlabelled_dataset, tmp_path, capsys
):
    arguments = ["train", network, "--data", str(photo_dataset), "--out", str(tmp_path / "run")]
    assert app.run([*arguments, "--steps", "1", "--dev", str(unlabelled_dataset)]) == 3
    assert "nothing to score on in" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run" / "last.pt").exists()


@pytest.mark.parametrize(
    "option",
    [
        ["--teacher", "a.onnx"],
        ["--loss", "mse"],
        ["--batch-size", "8"],
        ["--rate", "0.5"],
        ["--learning-rate", "1e-3"],
        ["--constant-rate-share", "0.5"],
        ["--augmentation", "weak"],
        ["--mix", "1:1"],
        ["--freeze", "trunk"],
        ["--reinit", "trunk"],
        ["--name", "ours"],
        ["--licence", "MIT"],
        ["--data-name", "ours"],
        ["--device", "cpu"],
        ["--stage", "finetune"],
        ["--tensorboard"],
        ["--checkpoint-minutes", "1"],
        ["--data-on-device"],
    ],
    ids=lambda option: option[0],
)
def test_quantization_aware_training_refuses_what_it_would_ignore(
    option, photo_dataset, tmp_path, capsys
):
    common = ["--data", str(photo_dataset), "--steps", "1", "--out", str(tmp_path)]
    arguments = ["train", "lrpose-s", "--qat", "--init", str(tmp_path / "s.onnx"), *common]
    assert app.run([*arguments, *option]) == 2
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert f"{option[0]}: --qat goes with" in said


def test_the_command_line_packs_and_draws(photo_dataset, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert app.run(["pack", "--data", str(photo_dataset), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip().endswith("crops-000.npz")
    log = tmp_path / "log.csv"
    log.write_text("step,minutes,loss,ap,ap50,ap75,ar\n10,1,0.5,,,,\n20,2,0.4,0.1,0.2,0.1,0.2\n")
    assert app.run(["plot", str(tmp_path), "--out", str(tmp_path / "run.png")]) == 0
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert app.run(["plot", str(tmp_path / "none"), "--out", str(tmp_path / "no.png")]) != 0


@pytest.mark.parametrize("row", ["4,x,0.5", "4,0.5,0.5.5", "four,0.5,0.5"])
def test_a_damaged_number_in_a_log_is_one_clear_error(row, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    (tmp_path / "log.csv").write_text(f"step,loss,ap\n2,1.0,0.1\n{row}\n")
    assert app.run(["plot", str(tmp_path), "--out", str(tmp_path / "run.png")]) == 3
    assert "cannot read the log" in " ".join(capsys.readouterr().err.split())
