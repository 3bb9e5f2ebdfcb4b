"""Other formats as PyTorch: ONNX operators and OpenVINO IR."""
