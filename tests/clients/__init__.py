"""The clients, which are packages of their own: what they do, and every way to get and run them."""
