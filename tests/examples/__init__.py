"""The examples, as programs and piece by piece."""
