"""People over time: matching, motion, smoothing."""
