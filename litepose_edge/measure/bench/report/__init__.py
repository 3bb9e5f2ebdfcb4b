"""Turns benchmark results into JSON, tables and an HTML page."""
