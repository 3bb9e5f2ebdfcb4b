"""What a machine has and whether the engines and bundled models run on it."""
