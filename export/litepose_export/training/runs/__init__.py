"""Whole training runs, from options to checkpoint."""
