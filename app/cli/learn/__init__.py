"""`flask emg learn`: a person teaches a running server from a terminal."""
