"""The accuracy gate: float against INT8, in pixels, AP and time."""
