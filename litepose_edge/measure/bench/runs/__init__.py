"""Runs benchmarks: configurations, frames, worker processes, samples."""
