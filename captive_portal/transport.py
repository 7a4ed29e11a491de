# SPDX-License-Identifier: EUPL-1.2
"""Next departures from the stops around the park, by their timetables."""

from __future__ import annotations

from flask import Blueprint, render_template

from captive_portal import visit

blueprint = Blueprint("transport", __name__)
PREFIX = "/<lang:lang>/transport"
_STOPS, _DEPARTURES = 20, 5


@blueprint.get("")
def index() -> str:
    """List the stops with their next departures."""
    replica, now = visit.house().replica, visit.house().now()
    stops = [(stop, replica.departures(stop["id"], now, _DEPARTURES)) for stop in replica.list("stops", limit=_STOPS)]
    return render_template("transport/index.html", stops=stops, now=now)
