"""Architecture search: networks found for a budget of time on a processor."""
