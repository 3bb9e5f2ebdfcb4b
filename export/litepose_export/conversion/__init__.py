"""PyTorch networks to verified, self-describing ONNX files."""
