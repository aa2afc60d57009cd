"""A model from nothing but one's own recordings: whatever device, gestures and names, in about a second."""
