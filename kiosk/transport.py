# SPDX-License-Identifier: EUPL-1.2
"""How to leave: the next departures of each stop, from the timetable that is here."""

from __future__ import annotations

from flask import Blueprint, render_template

from edge_core import clock
from kiosk.here import content

routes = Blueprint("transport", __name__)
_SHOWN = 6


@routes.get("/<view:view>/transport")
def page() -> str:
    """Show the stops and what leaves next from each."""
    now = clock.now()
    stops = [(stop, content().departures(stop["id"], now, _SHOWN)) for stop in content().list("stops")]
    return render_template("transport.html", stops=stops)
