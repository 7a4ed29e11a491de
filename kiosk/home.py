# SPDX-License-Identifier: EUPL-1.2
"""The first choice: what somebody came for, on large targets that already say what awaits."""

from __future__ import annotations

from flask import Blueprint, render_template

from edge_core import clock
from kiosk import corner, glance
from kiosk.here import content

routes = Blueprint("home", __name__)


@routes.get("/<view:view>/")
def page() -> str:
    """Show the topics."""
    now = clock.now()
    return render_template(
        "home.html",
        companies=content().count("companies"),
        services=content().count("services"),
        floors=content().count("plans"),
        events=content().events_from(now, 1),
        today=len(glance.events_today(content(), now)),
        departures=glance.next_departures(content(), now, 1),
        news=content().latest_news(1),
        corner=corner.is_here(),
    )
