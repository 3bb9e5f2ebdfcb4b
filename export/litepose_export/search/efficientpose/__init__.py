"""EfficientPose's differentiable search."""
