"""What is counted, in all workers together."""
