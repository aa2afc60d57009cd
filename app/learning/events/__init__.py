"""What gesture events are worth, over recordings."""
