"""Bytes to arrays, and answers to bytes."""
