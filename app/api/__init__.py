"""HTTP only: decode, run, encode."""

from __future__ import annotations

from flask import Blueprint, Flask
from swagger_ui_bundle import swagger_ui_path


def register(app: Flask, title: str) -> None:
    """Put every blueprint, the error answers and the description of the API into the application."""
    from app.api import benchmark, emg, errors, health, inference, recordings, streaming
    from app.api.fast_path import FastPath
    from app.serving.runtime import VERSION

    app.config.update(
        API_TITLE=title,
        API_VERSION=VERSION,
        OPENAPI_VERSION="3.0.3",  # the newest that the bundled Swagger UI shows
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        OPENAPI_SWAGGER_UI_PATH="docs",
        OPENAPI_SWAGGER_UI_URL="/docs/assets/",
        OPENAPI_SWAGGER_UI_CONFIG={"validatorUrl": None},  # the page calls nobody outside
    )
    assets = Blueprint(
        "swagger_ui", __name__, static_folder=str(swagger_ui_path), static_url_path="/docs/assets"
    )
    app.register_blueprint(assets)
    api = errors.Api(app)
    for module in (health, inference, streaming, benchmark, emg, recordings):
        api.register_blueprint(module.bp)
    errors.register(app)
    app.wsgi_app = FastPath(app.wsgi_app, app.extensions["runtime"], app.config["MAX_CONTENT_LENGTH"])  # type: ignore[method-assign]
