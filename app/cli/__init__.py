"""The commands of `flask --app wsgi`."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Put the command groups into the application."""
    from app.cli.emg import emg
    from app.cli.engine import engine
    from app.cli.keys import keys
    from app.cli.model import model
    from app.cli.model_calibration import calibrate_model
    from app.cli.model_import import import_model
    from app.cli.model_new import new_model
    from app.cli.profile import profile

    model.add_command(calibrate_model)
    model.add_command(import_model)
    model.add_command(new_model)
    app.cli.add_command(model)
    app.cli.add_command(engine)
    app.cli.add_command(emg)
    app.cli.add_command(keys)
    app.cli.add_command(profile)
