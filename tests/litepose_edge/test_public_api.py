"""The small front door, and what walking through it loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

import litepose_edge
from litepose_edge import errors, sources

HEAVY = ("torch", "onnx", "openvino", "scipy", "litepose_export", "typer", "rich", "skimage")


def loaded_after(code: str, within: str = "") -> set[str]:
    """The packages that code imports, or the modules of one of them."""
    wanted = f"m.startswith({within!r})" if within else "'.' not in m"
    script = f"{code}\nimport sys\nprint(' '.join(m for m in sys.modules if {wanted}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_all_is_complete():
    public = [
        name
        for name in dir(litepose_edge)
        if not name.startswith("_") and not isinstance(getattr(litepose_edge, name), type(sys))
    ]
    assert sorted(public) == sorted(litepose_edge.__all__)
    assert len(litepose_edge.__all__) <= 12


@pytest.mark.parametrize("package", [litepose_edge, sources])
def test_what_is_imported_when_wanted_is_there_by_its_name(package):
    for name in package.__all__:
        assert name in dir(package)
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match=r"litepose_edge.* has no attribute 'trails'"):
        _ = package.trails


def test_a_prediction_imports_nothing_that_reads_files_or_draws():
    code = "e = litepose_edge.Estimator(); e.predict(frame, boxes_xyxy=[[0, 0, 50, 80]])"
    found = loaded_after(
        "import numpy, litepose_edge\nframe = numpy.zeros((90, 120, 3), numpy.uint8)\n" + code,
        within="litepose_edge.",
    )
    assert "litepose_edge.estimator" in found
    assert not {name for name in found if name.startswith("litepose_edge.drawing")}
    assert not found & {"litepose_edge.sources.images", "litepose_edge.sources.opening"}


def test_importing_loads_nothing_heavy():
    assert not loaded_after("import litepose_edge") & set(HEAVY)


def test_one_prediction_loads_nothing_heavy():
    code = (
        "import numpy, litepose_edge\n"
        "e = litepose_edge.Estimator()\n"
        "e.predict(numpy.zeros((90, 120, 3), numpy.uint8))\n"
        "e.predict(numpy.zeros((90, 120, 3), numpy.uint8), boxes_xyxy=[[0, 0, 50, 80]])"
    )
    assert not loaded_after(code) & set(HEAVY)


def test_the_exporters_command_line_loads_without_pytorch():
    assert not loaded_after("import litepose_export.cli.app") & {"torch", "onnx", "openvino"}


def test_every_error_is_ours_and_most_are_pythons_too():
    tree = {
        "InvalidImageError": ValueError,
        "InvalidBoxError": ValueError,
        "SourceError": OSError,
        "OutputError": OSError,
        "BackendUnavailableError": ImportError,
        "ManifestError": ValueError,
        "UnknownKeypointError": KeyError,
        "ModelFileMissingError": FileNotFoundError,
    }
    for name, base in tree.items():
        assert issubclass(getattr(errors, name), (errors.LitePoseError))
        assert issubclass(getattr(errors, name), base)
    for name in (
        "ManifestError",
        "ModelFileMissingError",
        "ModelIntegrityError",
        "UnsupportedModelError",
    ):
        assert issubclass(getattr(errors, name), errors.ModelError)


def test_messages_are_one_line_that_can_be_read():
    assert str(errors.ModelError("one\n  two\tthree")) == "one two three"
    assert str(errors.UnknownKeypointError("no 'nose'")) == "no 'nose'"
    long = str(errors.SourceError("no such file: " + "a" * 10**6 + ".jpg"))
    assert long.startswith("no such file: aaa")
    assert long.endswith("aaa.jpg")
    assert len(long) < 1.1 * errors.LONGEST_MESSAGE
