"""Distillation: teacher maps and pseudo-labels, hint layers, slimming."""
