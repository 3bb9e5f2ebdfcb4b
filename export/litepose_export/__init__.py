"""PyTorch checkpoints to verified ONNX and INT8 files; nothing here runs on a device."""
