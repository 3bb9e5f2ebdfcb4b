"""Who does the units: processes of this machine, or a Ray cluster whose actors keep such ones."""
