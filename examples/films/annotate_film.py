"""Draws boxes, ids and trails into a film: python annotate_film.py clip.mp4 drawn.mp4

The same from the command line, with sound on request: litepose-edge predict clip.mp4 --save out.mp4
"""

from __future__ import annotations

import sys

import cv2

from litepose_edge import Estimator, Trails
from litepose_edge.sources import open_source


def main(source: str, target: str) -> None:
    film, trails, writer = open_source(source), Trails(length_s=2), None
    with Estimator() as estimator:
        for result in estimator.stream(film, detect_every=10):
            trails.update(result.poses, result.timestamp_s)
            drawn = result.poses.draw(result.frame, trails=trails)
            if writer is None:
                height, width = drawn.shape[:2]
                code = cv2.VideoWriter.fourcc(*"mp4v")
                writer = cv2.VideoWriter(target, code, film.fps, (width, height))
                if not writer.isOpened():
                    sys.exit(f"cannot write {target}")
            writer.write(drawn)
    if writer is not None:
        writer.release()
        print(f"{result.index + 1} frames in {target}")


if __name__ == "__main__":
    main(*sys.argv[1:] if len(sys.argv) == 3 else sys.exit(__doc__))
