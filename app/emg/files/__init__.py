"""Recordings and files of the field, read."""
