"""Boards that BrainFlow knows."""
