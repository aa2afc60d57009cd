"""Programs to read and to start from. A package, so that no other of this name is found first."""
