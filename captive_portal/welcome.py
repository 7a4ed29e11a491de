# SPDX-License-Identifier: EUPL-1.2
"""The welcome page: where people land; what this is, what is on today, and one button."""

from __future__ import annotations

from flask import Blueprint, request
from markupsafe import Markup

from captive_portal import guard, shared_parts, visit, ways
from edge_core.web import dates
from edge_core.web.templating import language

blueprint = Blueprint("welcome", __name__)
PREFIX = ""
_EVENTS, _NEWS = 3, 2  # a phone shows one less of each


@blueprint.get("/")
@blueprint.get("/<lang:lang>/", endpoint="page")
def home() -> str:
    """Show the welcome page; for a device that is online already, what it has left."""
    house, here = visit.house(), visit.current()
    now = house.now()
    offered = ways.offered()
    until = offered.click.until(now) if offered.click else None
    opens = offered.click.opens(now) if offered.click else None
    known = {
        "online": here.online,
        "on_wifi": here.client.mac is not None,
        "others": offered.others,
        "lasts": dates.duration(round(until - now), language()) if until else "",
        "opens": dates.here(opens) if opens else None,
        "left": dates.duration(here.grant.remaining(now), language()) if here.grant else "",
    }
    return shared_parts.page(
        "welcome/home.html",
        tuple(known.values()),
        {"token": guard.token(), "to": guard.return_address(), "seal": request.args.get("s", "")},
        coming=lambda: house.replica.events_from(now, _EVENTS),
        latest=lambda: house.replica.latest_news(_NEWS),
        **known,
    )


@blueprint.get("/favicon.ico")
@blueprint.get("/-/icon.svg", endpoint="icon")
def icon() -> tuple[str, dict[str, str]]:
    """Serve the portal's own icon: an arch on a square."""
    drawing = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" '
        'fill="#0e5a5f"/><path d="M8 25V15a8 8 0 0 1 16 0v10M13 25v-9a3 3 0 0 1 6 0v9" fill="none" stroke="#fff" '
        'stroke-width="2.4" stroke-linecap="round"/></svg>'
    )
    return drawing, {"Content-Type": "image/svg+xml", "Cache-Control": "public, max-age=86400"}
