"""Recordings sent through the live path as fast as it goes, and what its decisions are worth."""
