"""`python -m app`: our commands, without those of Flask around them; `flask --app wsgi` has both."""

from __future__ import annotations

from flask import Flask
from flask.cli import FlaskGroup


def _loaded() -> Flask:
    from wsgi import app  # where a wrong setting is one line

    return app


HELP = """Myostream: models, engines, signals and API keys.

The server itself is started by `make serve`; its settings are EMG_* variables, or lines of `.env`.
"""

main = FlaskGroup(help=HELP, create_app=_loaded, add_default_commands=False, add_version_option=False)
main.params.clear()  # Flask's own: which application, and debugging; `.env` is read with the settings

if __name__ == "__main__":
    main()
