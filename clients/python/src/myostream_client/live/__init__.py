"""The live socket: samples there and events back, on one WebSocket."""
