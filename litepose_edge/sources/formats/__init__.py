"""What the bytes of pictures and films say, before a decoder sees them."""
