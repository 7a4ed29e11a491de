# SPDX-License-Identifier: EUPL-1.2
"""Events of the park, and each of them as a file that a calendar keeps."""

from __future__ import annotations

from flask import Blueprint, Response, abort, render_template

from captive_portal import ics, visit
from edge_core.web import dates
from edge_core.web.templating import language

blueprint = Blueprint("events", __name__)
PREFIX = "/<lang:lang>/events"
_SHOWN = 24
_OTHERS = 6


@blueprint.get("")
def index() -> str:
    """List the events that are not over, soonest first."""
    house = visit.house()
    return render_template("events/index.html", events=house.replica.events_from(house.now(), _SHOWN))


@blueprint.get("/<key>")
def one(key: str) -> str:
    """Show one event, and when else it takes place."""
    house = visit.house()
    item = house.replica.get("events", key) or abort(404)
    start = dates.parse(item.get("start"))
    series = house.replica.series(item["series"], house.now(), _OTHERS + 1) if item.get("series") else []
    return render_template(
        "events/one.html",
        item=item,
        others=[other for other in series if other["id"] != key][:_OTHERS],
        can_ask=bool(item.get("seats")) and start is not None and start.timestamp() > house.now(),
    )


@blueprint.get("/<key>.ics")
def keep(key: str) -> Response:
    """Give one event as an iCalendar file."""
    house = visit.house()
    record = house.replica.get("events", key)
    body = ics.event(record, language(), house.settings.site.id, house.now()) if record else None
    if body is None:
        abort(404)
    name = "".join(letter for letter in key if letter.isascii() and (letter.isalnum() or letter in "-_"))
    return Response(
        body, mimetype="text/calendar", headers={"Content-Disposition": f'attachment; filename="{name or "event"}.ics"'}
    )
