"""What the benchmarks of labelling label, how they run it, and how two results are compared."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2

from benchmarks.paths import ROOT, SHARED
from litepose_edge.sources import read_image

PHOTOGRAPHS = SHARED / "data" / "coco" / "images"
FILM = SHARED / "data" / "videos" / "one-by-one-person-detection.mp4"
DRIVE = "benchmarks.scale.drive"


def check_data(*more: Path) -> None:
    """End the program where the photographs, or what else it reads, are missing."""
    if not next(PHOTOGRAPHS.glob("*.jpg"), None):
        raise SystemExit(
            f"no photographs in {PHOTOGRAPHS}: put COCO's there as .jpg files, or link "
            f"{SHARED} to a folder that has them"
        )
    for path in more:
        if not path.is_file():
            raise SystemExit(f"no file {path}: put the film there")


def small_photographs(folder: Path, count: int, longer_side: int) -> list[Path]:
    """So many photographs of COCO, shrunk, as JPEG files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for path in sorted(PHOTOGRAPHS.glob("*.jpg"))[:count]:
        target = folder / path.name
        if not target.exists():
            image = read_image(path)
            scale = longer_side / max(image.shape[:2])
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(target), small)
        made.append(target)
    return made


def write_list(path: Path, files: list[Path], count: int, *more: Path) -> Path:
    """A list of what is named last, and then of so many lines in which names come again."""
    lines = [*more, *islice(cycle(files), count)]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def command(*arguments: str | Path) -> list[str]:
    """The command line of a run."""
    return [sys.executable, "-m", DRIVE, *map(str, arguments)]


def drive(*arguments: str | Path) -> dict[str, Any]:
    """A run to its end; its summary."""
    done = subprocess.run(command(*arguments), check=True, cwd=ROOT, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def digest(out: Path) -> str:
    """Of all that users read in a run's folder: names and bytes."""
    whole = sha256()
    for path in sorted([*out.glob("people/*"), out / "failures.parquet", out / "run.json"]):
        whole.update(path.name.encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()
