"""From a source to what viewers get: capture, controls, hub, status, recording."""
