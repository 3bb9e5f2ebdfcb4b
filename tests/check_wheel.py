"""Checks a built wheel: what is in it, and that it predicts with the base dependencies alone.

python tests/check_wheel.py DIST_FOLDER
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

TOP_LEVEL = {"litepose_edge", "litepose_export"}
MAX_BYTES = 12 * 2**20
LEFT_OUT = {"persondet.fp32.onnx"}
SMOKE = """
import sys
import numpy
from litepose_edge import Estimator
poses = Estimator().predict(numpy.zeros((120, 160, 3), numpy.uint8), boxes_xyxy=[[9, 9, 90, 99]])
assert poses.keypoints.shape == (1, 17, 2), poses
# The detector is there in INT8 alone, and does for both.
assert len(Estimator(precision="fp32").predict(numpy.zeros((120, 160, 3), numpy.uint8))) == 0
heavy = {"torch", "onnx", "openvino", "scipy"} & set(sys.modules)
assert not heavy, heavy
"""


def main() -> None:
    (wheel,) = Path(sys.argv[1]).glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl"), wheel
    assert wheel.stat().st_size <= MAX_BYTES, wheel.stat().st_size
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top == TOP_LEVEL, top
    models = Path("litepose_edge/models")
    for path in models.iterdir():
        there = f"litepose_edge/models/{path.name}" in names
        assert there != (path.name in LEFT_OUT), path
    for path in Path("litepose_edge/serve/page").iterdir():
        assert f"litepose_edge/serve/page/{path.name}" in names, path
    assert "litepose_edge/py.typed" in names
    assert "litepose_export/py.typed" in names
    pictures = [n for n in names if n.endswith((".png", ".jpg", ".mp4"))]
    assert not pictures, pictures
    subprocess.run(
        [
            sys.executable,
            "-m",
            "check_wheel_contents",
            "--toplevel",
            ",".join(sorted(TOP_LEVEL)),
            wheel,
        ],
        check=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = next(
            p
            for p in (Path(folder, "bin/python"), Path(folder, "Scripts/python.exe"))
            if p.exists()
        )
        subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
        # From a folder of its own: the checkout must not stand in for the wheel.
        subprocess.run([python, "-c", SMOKE], check=True, cwd=folder)
        help_text = subprocess.run(
            [python.with_name("litepose-export"), "train", "lrpose-s", "--data", "x", "--out", "y",
             "--steps", "1"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert help_text.returncode == 3, help_text
        assert "litepose-edge[export]" in help_text.stderr, help_text.stderr
    check_beside_another_opencv(wheel)
    print(f"{wheel.name}: {wheel.stat().st_size / 2**20:.1f} MiB, contents and smoke test passed")


def check_beside_another_opencv(wheel: Path) -> None:
    """The guide's lines leave an application's own OpenCV alone, and the package runs on it."""
    guide = Path("docs/guides/getting-started.md").read_text("utf-8")
    (others,) = re.findall(r"^pip install ((?:[a-z]+ )+[a-z]+)$", guide, re.MULTILINE)
    assert "pip install --no-deps litepose-edge" in guide
    own = "opencv-contrib-python-headless"
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        (python,) = [*Path(folder).glob("bin/python"), *Path(folder).glob("Scripts/python.exe")]
        pip = [python, "-m", "pip"]
        subprocess.run([*pip, "install", "--quiet", own], check=True)
        subprocess.run([*pip, "install", "--quiet", *others.split()], check=True)
        subprocess.run([*pip, "install", "--quiet", "--no-deps", wheel], check=True)
        subprocess.run([python, "-c", SMOKE], check=True, cwd=folder)
        listed = subprocess.run([*pip, "list"], capture_output=True, text=True, check=True).stdout
        assert re.findall(r"^opencv\S+", listed, re.MULTILINE) == [own], listed


if __name__ == "__main__":
    main()
