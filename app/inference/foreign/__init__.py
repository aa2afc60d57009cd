"""Somebody's own ONNX graph as a model: what it takes and gives, and the golden vectors that prove it."""
