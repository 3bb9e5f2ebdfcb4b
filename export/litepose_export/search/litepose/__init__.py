"""LitePose's space and what its supernet needs beyond weight sharing."""
