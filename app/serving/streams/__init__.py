"""From a source to what every client is sent."""
