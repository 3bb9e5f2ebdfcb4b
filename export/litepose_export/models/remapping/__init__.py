"""Gives networks of inverted residuals the weights of trained ones of other shapes (FNA)."""
