"""Bodies, queries and answers."""
