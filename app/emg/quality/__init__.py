"""What an electrode's signal is worth."""
