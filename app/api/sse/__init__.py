"""Events, and the sockets they are written to."""
