"""Training of bottom-up networks with associative embedding."""
