"""Networks behind sessions: image to boxes, crops to keypoints, image to people."""
