"""Weight sharing: one network holds all sub-networks of a space, judged as parts of it."""
