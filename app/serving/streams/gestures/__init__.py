"""Gestures of a stream: told, kept for whoever reads slowly, and counted."""
