"""`litepose-export quantize` and `quantize-openvino`, and what they share."""
