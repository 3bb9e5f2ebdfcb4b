"""One graph for everything: a frame and boxes in, keypoints in the frame's pixels out."""
