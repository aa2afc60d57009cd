"""The live socket: samples in and events out, on one WebSocket."""
