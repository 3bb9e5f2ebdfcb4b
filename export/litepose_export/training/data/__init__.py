"""Training people and their augmented crops."""
