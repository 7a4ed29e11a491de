# SPDX-License-Identifier: EUPL-1.2
"""What the park and its companies offer: the catalogue, asking for something, and following what was asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, redirect, render_template, request, url_for

from captive_portal import answers, guard, visit
from edge_core import logs
from edge_core.i18n import N_
from edge_core.store import requests
from edge_core.web import dates

if TYPE_CHECKING:
    from werkzeug import Response

blueprint = Blueprint("services", __name__)
PREFIX = "/<lang:lang>"
_log = logs.get(__name__)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UNREADABLE = 422
_PLACE = "portal"
STATES = {
    "recorded": N_("Noted. It leaves for the park's team in a moment."),
    "sent": N_("Sent. The park's team has it."),
    "waitlisted": N_("You are on the waiting list."),
    "accepted": N_("Accepted."),
    "rejected": N_("Not possible this time."),
    "done": N_("Done."),
}


@blueprint.get("/services")
def index() -> str:
    """Show the catalogue."""
    return render_template("services/index.html", services=visit.house().replica.list("services"))


@blueprint.get("/services/<key>")
def one(key: str) -> str:
    """Show one service with its form."""
    return _show(_service(key), {}, {})


@blueprint.post("/services/<key>")
def ask(key: str) -> Response | tuple[str, int]:
    """Record what is asked for; the page that follows can be kept and opened again."""
    guard.check()
    service, house = _service(key), visit.house()
    given, errors = answers.check(service, request.form, dates.here(house.now()).date())
    if errors:
        return _show(service, request.form, errors), _UNREADABLE
    kind = str(service.get("kind") or "other")
    form = guard.filled_in(key, given)
    made = requests.create(house.edge(), kind=kind, subject=key, data=given, place=_PLACE, now=house.now(), form=form)
    _log.info("request_recorded", request=made.id, kind=kind)
    return redirect(url_for("services.follow", key=made.id), 302)


@blueprint.get("/requests/<key>")
def follow(key: str) -> str:
    """Show where a request stands. Its id can't be guessed; the page tells nothing personal."""
    found = requests.get(visit.house().edge(), key) if _ID.fullmatch(key) else None
    if found is None:
        abort(404)
    service = visit.house().replica.get("services", found.subject)
    moment = dates.here(found.created_at)
    said = STATES.get(found.state, STATES["sent"])
    return render_template("services/follow.html", asked=found, service=service, said=said, moment=moment)


def _service(key: str) -> dict[str, Any]:
    return visit.house().replica.get("services", key) or abort(404)


def _show(service: dict[str, Any], given: Any, errors: dict[str, str]) -> str:
    replica = visit.house().replica
    provider = replica.get("companies", str(service.get("provider") or ""))
    today = dates.here(visit.house().now()).date().isoformat()
    return render_template(
        "services/one.html",
        service=service,
        fields=answers.form(service),
        given=given,
        errors=errors,
        provider=provider,
        today=today,
    )
