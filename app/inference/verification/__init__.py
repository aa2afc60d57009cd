"""Whether a model that came from elsewhere is what it says, before it is kept: in a process of its own."""
