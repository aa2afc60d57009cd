"""A training as a server has it made: in a process of its own that tells how far it is."""
