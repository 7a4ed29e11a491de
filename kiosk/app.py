# SPDX-License-Identifier: EUPL-1.2
"""Wires the kiosk: one blueprint a topic, over the local content, with the shared style, headers and error pages."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask

from edge_core.store.replica import Replica
from edge_core.web import compress, error_pages, security, stylesheet, templating
from kiosk import counted, frame, gate
from kiosk.here import EXTENSION, Kiosk
from kiosk.view import ViewConverter

if TYPE_CHECKING:
    from edge_core.settings import Settings

_TOPICS = (
    "attract", "session", "home", "find", "company", "plan", "events", "news", "transport", "services", "desk", "scans",
    "shelter", "visit", "received", "leaving",
)  # fmt: skip
_LONGEST_FORM = 64 * 1024
_SHEETS = ("kiosk", "pages", "attract", "keyboard", "modes")
IDLE, WARNING = 45.0, 20.0


def create_app(settings: Settings, *, idle: float = IDLE, warning: float = WARNING) -> Flask:
    """Make the WSGI application. `idle` and `warning` are seconds (WCAG 2.2, 2.2.1: the warning can be extended)."""
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
    counted.install(app, settings)
    error_pages.install(app, frame.refusal)
    for topic in _TOPICS:
        app.register_blueprint(import_module(f"kiosk.{topic}").routes)
    compress.compress(app)
    security.harden(app)
    return app
