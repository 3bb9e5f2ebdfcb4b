"""Training with photographs, teacher and augmentation on the accelerator."""
