"""Models, and the runtimes that run them."""
