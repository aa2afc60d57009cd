"""Recordings while they are made."""
