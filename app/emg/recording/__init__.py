"""What is recorded: written, described, exported."""
