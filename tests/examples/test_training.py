"""The examples of the guides on own networks, fine-tuning and other keypoints."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.export, pytest.mark.usefixtures("one_thread", "commands")]

from example_files import example, example_path  # noqa: E402
from figures import write_figures  # noqa: E402
from hands import write_hands  # noqa: E402

EXAMPLES = ("bring_your_own_network", "fine_tune", "other_keypoints")


@pytest.fixture
def commands(monkeypatch):
    """The commands of this environment come first."""
    folder = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_a_guide_has_at_most_40_lines(name):
    assert len(example_path(name).read_text().splitlines()) <= 40


def test_bring_your_own_network(photographs, tmp_path, capsys):
    file = tmp_path / "own.onnx"
    example("bring_your_own_network").main(
        str(photographs / "astronaut.png"), "60,0,440,511", str(file)
    )
    assert "from PyTorch" in capsys.readouterr().out
    assert file.exists()


def test_fine_tune(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    labels = str(write_figures(tmp_path / "mine", 2))
    example("fine_tune").main(labels, labels, str(tmp_path / "run"), epochs="0.001")
    assert capsys.readouterr().out.count("AP50") == 2
    assert (tmp_path / "run" / "fine-tuned.onnx").exists()


def test_other_keypoints(tmp_path, capsys):
    labels = str(write_hands(tmp_path / "hands", 2))
    folder = tmp_path / "run"
    example("other_keypoints").main(labels, labels, str(folder), epochs="0.001", side="64")
    assert "21 keypoints" in capsys.readouterr().out
    assert len(list(folder.glob("*.png"))) == 2
