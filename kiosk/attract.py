# SPDX-License-Identifier: EUPL-1.2
"""The screen that waits for a touch: the park today, and the choice of a language that opens everything else."""

from __future__ import annotations

from flask import Blueprint, render_template

from edge_core import clock, live
from edge_core.i18n import N_
from kiosk import glance
from kiosk.here import content, kiosk

routes = Blueprint("attract", __name__)
_SKIES = {
    "clear": N_("Clear sky"),
    "partly": N_("Partly cloudy"),
    "cloudy": N_("Cloudy"),
    "fog": N_("Fog"),
    "rain": N_("Rain"),
    "sleet": N_("Sleet"),
    "snow": N_("Snow"),
    "thunder": N_("Thunderstorm"),
}
_EVENTS, _DEPARTURES, _NEWS = 3, 4, 2


@routes.get("/")
def page() -> str:
    """Show the park today, or that its content is on its way."""
    if content().version() is None:
        return render_template("waiting.html")
    now = clock.now()
    counted, around = live.around(kiosk().settings, now)
    events, today = glance.next_events(content(), now, _EVENTS)
    return render_template(
        "attract.html",
        events=events,
        events_today=today,
        departures=glance.next_departures(content(), now, _DEPARTURES),
        weather=glance.weather(content(), now),
        skies=_SKIES,
        news=content().latest_news(_NEWS),
        counted=counted,
        devices=around,
    )


@routes.get("/<view:view>/start")
def start() -> str:
    """Ask for the language, and for what makes the screen easier to use."""
    return render_template("start.html")
