"""One OpenCV or two."""

from __future__ import annotations

import importlib.metadata
import re

from litepose_edge.measure.machine.opencv import NAMES, advice, opencv_packages
from paths import ROOT


def test_two_opencvs_are_advised_against_and_one_is_not(monkeypatch):
    installed = {"opencv-python": "4.12.0.88", "opencv-python-headless": "5.0.0.93"}

    def version(name):
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert opencv_packages() == installed
    (sentence,) = advice(opencv_packages())
    assert "opencv-python 4.12.0.88 and opencv-python-headless 5.0.0.93" in sentence
    assert "pip uninstall opencv-python opencv-python-headless" in sentence
    del installed["opencv-python"]
    assert advice(opencv_packages()) == ()
    installed.clear()
    assert advice(opencv_packages()) == ()


def test_the_line_without_opencv_names_every_other_dependency():
    guide = (ROOT / "docs" / "guides" / "getting-started.md").read_text("utf-8")
    (line,) = re.findall(r"^pip install ((?:[a-z]+ )+[a-z]+)$", guide, re.MULTILINE)
    required = {
        re.split(r"[<>=!~\[; ]", requirement)[0]
        for requirement in importlib.metadata.requires("litepose-edge") or ()
        if "extra ==" not in requirement
    }
    assert set(line.split()) == required - set(NAMES)
