"""Samples: where they come from, and what is made of them before a model sees them."""
