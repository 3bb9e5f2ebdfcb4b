"""The training loop, its schedule, optimizers, losses and validation."""
