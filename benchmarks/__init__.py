"""What the figures in the README and docs/benchmarks.md come from: `make bench`, or `python -m benchmarks NAME`."""
