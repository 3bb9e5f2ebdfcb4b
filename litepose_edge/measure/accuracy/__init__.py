"""COCO files, keypoint and box metrics, and evaluation of an estimator on them."""
