# SPDX-License-Identifier: EUPL-1.2
"""Wires the management application: metrics, health and the device page, on the management side only."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response, g, render_template, request

from edge_core import clock, i18n
from edge_core.web import error_pages, readable_host, scripts, security, stylesheet, templating
from management import door, metrics, page
from management.history import History
from management.keeper import Keeper
from management.readings import Gauge

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_core.settings import Settings

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_HERE = Path(__file__).parent
_LARGEST_FORM = 8 * 1024
_PICTURE = Path("/run/parvis-picture/screen.png")


def create_app(settings: Settings, tick: Callable[[], float] = time.monotonic, picture: Path = _PICTURE) -> Flask:
    """Make the WSGI application. `tick` is the clock of sessions and wrong tries, `picture` a kiosk's screen (PNG)."""
    app = Flask(__name__, static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=_LARGEST_FORM, MAX_FORM_PARTS=20)
    app.config.update(SESSION_COOKIE_SAMESITE="Strict", SESSION_COOKIE_NAME="parvis-word")
    app.secret_key = secrets.token_bytes(32)  # for the word after an action alone: a restart may lose it
    history = History()
    gauge = Gauge(settings, told=history.add)
    app.extensions |= {
        door.EXTENSION: Keeper(settings, tick),
        page.EXTENSION: page.Device(settings, gauge, history, picture),
    }
    readable_host.install(app)
    _speak(app)
    stylesheet.install(app, (_HERE / "static" / "management.css",), dict)
    scripts.install(app, _HERE / "static")
    app.register_blueprint(door.routes)
    app.register_blueprint(page.routes)

    @app.get("/metrics")
    def scrape() -> Response:
        return Response(metrics.exposition(gauge.read), content_type=_TEXT, headers={"Cache-Control": "no-store"})

    @app.get("/health")
    def health() -> Response:
        """200 while the database can be read, else 503: what the watchdog and a load balancer ask."""
        well = gauge.read() is not None
        return Response("ok\n" if well else "the database can't be read\n", 200 if well else 503, mimetype="text/plain")

    error_pages.install(app, lambda _status, title, remedy: render_template("refusal.html", title=title, remedy=remedy))
    security.harden(app)
    return app


def _speak(app: Flask) -> None:
    """Have pages in the reader's language."""
    languages = i18n.load(Path(security.__file__).parent / "locales", _HERE / "locales")
    templating.install(app, clock.now)
    app.context_processor(lambda: {"form_key": g.get("form_key", "")})

    @app.before_request
    def choose() -> None:
        g.language = languages[i18n.negotiate(request.headers.get("Accept-Language"))]
