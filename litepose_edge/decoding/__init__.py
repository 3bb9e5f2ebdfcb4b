"""Network outputs to keypoints and boxes: arithmetic on arrays."""
