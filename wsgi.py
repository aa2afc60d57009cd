"""What gunicorn and `flask --app wsgi` load."""

from __future__ import annotations

import sys

from app import create_app
from app.errors import MyostreamError

try:
    app = create_app()
except MyostreamError as error:  # an operator's mistake is one line, not a traceback
    sys.exit(f"error: {error}")
