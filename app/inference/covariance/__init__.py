"""Logarithms of channel covariances, of the window and of what came before it, under a linear head."""
