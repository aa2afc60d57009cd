"""Gestures as events: what one is, and how probabilities become them."""
