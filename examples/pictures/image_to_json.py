"""Prints the people in an image as JSON.

python examples/pictures/image_to_json.py photo.jpg
"""

import sys

from litepose_edge import Estimator


def main(path: str) -> None:
    with Estimator() as estimator:
        poses = estimator.predict(path)
    print(poses.to_json())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
