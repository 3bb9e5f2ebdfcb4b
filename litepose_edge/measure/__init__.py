"""Figures users measure on their own data and boards."""
