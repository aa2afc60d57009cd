"""What is answered before Flask."""
