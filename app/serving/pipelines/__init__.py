"""Each source, the model that reads it, and how that becomes another."""
