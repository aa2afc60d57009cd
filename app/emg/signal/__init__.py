"""From raw samples to windows."""
