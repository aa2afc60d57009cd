"""The one thread that drives the backends."""
