"""Models made, judged and adapted."""
