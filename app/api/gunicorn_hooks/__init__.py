"""What gunicorn's worker leaves open."""
