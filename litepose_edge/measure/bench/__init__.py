"""Speed, CPU time, memory and energy of models on this machine, one process a configuration."""
