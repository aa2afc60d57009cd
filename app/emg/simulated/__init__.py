"""Sources without hardware."""
