"""Which nodes stay in float, and how much each costs in accuracy."""
