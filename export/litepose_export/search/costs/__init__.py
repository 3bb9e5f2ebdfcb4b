"""What operators and networks cost on a processor: measured, summed and corrected."""
