"""HTTP only: decode, run, encode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Flask
from swagger_ui_bundle import swagger_ui_path

from app.config import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from app.serving.runtime import Runtime


def register(app: Flask, title: str, runtime: Runtime | None = None) -> None:
    """Put every blueprint, the error answers and the description of the API into the application.

    `runtime` is the one that is open already; None: there is none yet.
    """
    from app.api import description, errors, examples, headers, published, relay, request_metrics, tracing
    from app.api.access import access
    from app.api.access.proxies import TrustedProxies
    from app.api.access.tickets import open_tickets
    from app.api.fast import windows as fast_windows
    from app.api.routes import (
        benchmark,
        dashboard,
        devices,
        emg,
        health,
        imports,
        inference,
        jobs,
        live,
        metrics,
        models,
        oip,
        profiles,
        recordings,
        replay,
        stream_tickets,
        streaming,
        trainings,
    )
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
    settings: Settings = app.config["SETTINGS"]
    request_metrics.register(app, app.extensions["metrics"])
    tracing.register(app)
    door = access.register(app, settings, open_tickets(settings.redis_url))
    fast_windows.register(app)
    headers.register(app, settings.cors_origins)
    plugins = [
        description.Guarded(app, settings),
        examples.Examples(settings, runtime.expected if runtime else None),
    ]
    api = errors.Api(app, spec_kwargs={"extra_plugins": plugins})
    description.describe(api, settings)
    routes = (health, inference, streaming, benchmark, emg, devices, recordings, imports, models, profiles)
    for module in (*routes, live, oip, replay, trainings, jobs, dashboard, stream_tickets, metrics):
        api.register_blueprint(module.bp)
    errors.register(app)
    oip.register(app)
    live.register(app)
    relay.register(app, runtime)
    published.register(runtime)
    around: WSGIApplication = fast_windows.FastPath(
        app.wsgi_app, app.extensions["runtime"], settings, door, app.extensions["metrics"]
    )
    if settings.trusted_proxies:
        around = TrustedProxies(around, settings.trusted_proxies)
    app.wsgi_app = around  # type: ignore[assignment,method-assign]  # Flask's documented way to put something around it
