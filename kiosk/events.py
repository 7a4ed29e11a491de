# SPDX-License-Identifier: EUPL-1.2
"""What is on in the park."""

from __future__ import annotations

from flask import Blueprint, abort, render_template

from edge_core import clock
from kiosk.here import content

routes = Blueprint("events", __name__)
_SHOWN = 40


@routes.get("/<view:view>/events")
def page() -> str:
    """List the events that aren't over, soonest first."""
    return render_template("events.html", events=content().events_from(clock.now(), _SHOWN))


@routes.get("/<view:view>/event/<key>")
def one(key: str) -> str:
    """Show one event."""
    return render_template("event.html", event=content().get("events", key) or abort(404))
