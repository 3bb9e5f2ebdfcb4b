"""Training of pose networks, and the loop all training shares."""
