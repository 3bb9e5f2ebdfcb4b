"""Tensor ranges from calibration inputs, and the QDQ graph made with them."""
