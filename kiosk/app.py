# SPDX-License-Identifier: EUPL-1.2
"""Wires the kiosk: one blueprint a topic, over the local content, with the shared style, headers and error pages."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, abort, redirect, render_template, request, url_for

from edge_core.i18n import negotiate
from edge_core.store.replica import Replica
from edge_core.web import compress, error_pages, security, stylesheet, templating
from kiosk import counted, frame, gate, reception_door
from kiosk.here import EXTENSION, Kiosk
from kiosk.view import View, ViewConverter

if TYPE_CHECKING:
    from werkzeug import Response

    from edge_core.settings import Settings

_TOPICS = (
    "attract", "session", "home", "find", "company", "plan", "events", "news", "transport", "services", "help", "scans",
    "corner", "shelter", "technician", "visit", "received", "reception_door", "reception", "leaving", "speech",
)  # fmt: skip
_DESK = ("session", "reception_door", "reception")
_KIOSKS_OWN = frozenset({"session.leave", "session.heartbeat"})
_LONGEST_FORM = 64 * 1024
_SHEETS = ("kiosk", "pages", "attract", "keyboard", "reception", "modes")
IDLE, WARNING = 45.0, 20.0


def create_app(settings: Settings, *, idle: float = IDLE, warning: float = WARNING) -> Flask:
    """Make the WSGI application. `idle` and `warning` are seconds (WCAG 2.2, 2.2.1: the warning can be extended)."""
    app = _create(settings, idle, warning, _TOPICS)
    app.extensions[reception_door.EXTENSION] = reception_door.ON_THE_KIOSK
    error_pages.install(app, frame.refusal)
    counted.install(app, settings)
    return app


def create_desk(settings: Settings) -> Flask:
    """Make the application of the reception desk on the LAN: its own pages and nothing of the kiosk's."""
    app = _create(settings, IDLE, WARNING, _DESK)
    app.extensions[reception_door.EXTENSION] = reception_door.on_the_lan(secure=settings.desk.certificate is not None)
    error_pages.install(
        app, lambda _status, title, remedy: render_template("reception/refusal.html", title=title, remedy=remedy)
    )

    @app.before_request
    def nothing_of_the_kiosk() -> None:
        if request.endpoint in _KIOSKS_OWN:
            abort(404)

    @app.get("/")
    def first() -> Response:
        return redirect(url_for("reception.page", view=View(negotiate(request.headers.get("Accept-Language")))), 303)

    return app


def _create(settings: Settings, idle: float, warning: float, topics: tuple[str, ...]) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=_LONGEST_FORM, MAX_FORM_PARTS=64, MAX_FORM_MEMORY_SIZE=_LONGEST_FORM)
    content = Replica(settings.content_db, settings.blobs_dir)
    app.extensions[EXTENSION] = Kiosk(settings, content, idle, warning)
    app.url_map.converters["view"] = ViewConverter
    folder = Path(__file__).parent
    stylesheet.install(
        app, tuple(folder / "static" / f"{name}.css" for name in _SHEETS), lambda: content.park().get("colours")
    )
    templating.install(app)
    frame.install(app)
    gate.install(app)
    for topic in topics:
        app.register_blueprint(import_module(f"kiosk.{topic}").routes)
    compress.compress(app)
    security.harden(app, media_src="blob:")  # speech, as it comes
    return app
