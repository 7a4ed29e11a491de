# SPDX-License-Identifier: EUPL-1.2
"""Wires the management application: metrics and health, on the management side only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response

from edge_core.web import security
from management import metrics
from management.readings import Gauge

if TYPE_CHECKING:
    from edge_core.settings import Settings

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def create_app(settings: Settings) -> Flask:
    """Make the WSGI application."""
    app = Flask(__name__, static_folder=None)
    gauge = Gauge(settings)

    @app.get("/metrics")
    def scrape() -> Response:
        return Response(metrics.exposition(gauge.read), content_type=_TEXT, headers={"Cache-Control": "no-store"})

    @app.get("/health")
    def health() -> Response:
        """200 while the database can be read, else 503: what the watchdog and a load balancer ask."""
        well = gauge.read() is not None
        return Response("ok\n" if well else "the database can't be read\n", 200 if well else 503, mimetype="text/plain")

    security.harden(app)
    return app
