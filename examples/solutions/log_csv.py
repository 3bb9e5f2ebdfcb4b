"""Writes a row for each person and frame: python log_csv.py clip.mp4 people.csv

Columns: time, id, score, box, and x, y, score of each keypoint. pandas.read_csv and
polars.read_csv take the file.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from litepose_edge import Estimator


def main(source: str, target: str) -> None:
    rows = 0
    with Estimator() as estimator, Path(target).open("w", newline="") as file:
        writer = csv.writer(file)
        for number, result in enumerate(estimator.stream(source, detect_every=10)):
            table = result.poses.named()
            if number == 0:
                writer.writerow(["timestamp_s", *table])
            for row in zip(*(column.tolist() for column in table.values()), strict=True):
                writer.writerow([f"{result.timestamp_s:.3f}", *row])
                rows += 1
    print(f"{rows} rows in {target}")


if __name__ == "__main__":
    main(*sys.argv[1:] if len(sys.argv) == 3 else sys.exit(__doc__))
