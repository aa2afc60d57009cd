"""How workers, of one machine or of several, share the sources that clients push to any of them."""
