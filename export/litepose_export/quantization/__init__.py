"""INT8 files that provably keep the keypoints: quantize, improve, search, check."""
