"""Where samples come from, opened and read."""
