# SPDX-License-Identifier: EUPL-1.2
"""What the park and its companies offer: the catalogue, asking for something, and following what was asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import Blueprint, abort, redirect, render_template, request, url_for

from captive_portal import answers, guard, visit
from edge_core import live, logs
from edge_core.i18n import N_
from edge_core.store import requests
from edge_core.web import dates
from edge_core.web.prose import safe_link

if TYPE_CHECKING:
    from werkzeug import Response

    from edge_core.store.requests import Request

blueprint = Blueprint("services", __name__)
PREFIX = "/<lang:lang>"
_log = logs.get(__name__)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UNREADABLE = 422
_PLACE = "portal"
_GROUPS = (
    (("room", "desk"), N_("Rooms and desks")),
    (("lunch",), N_("To eat")),
    (("bike",), N_("To move")),
    (("message", "ad", "other"), N_("And also")),
)
_ORDERS = ("room", "desk", "lunch", "bike", "other", "event")
_EVENTS, _ADS = 12, 50
STATES = {
    "confirmed": N_("Confirmed: it is kept for you."),
    "provisional": N_("Provisional: we confirm as soon as possible."),
    "recorded": N_("Noted. It leaves for the park's team in a moment."),
    "kept": N_("Noted. It leaves for the park's team by itself once the Internet is back."),
    "sent": N_("Sent. The park's team has it."),
    "waitlisted": N_("You are on the waiting list."),
    "accepted": N_("Accepted."),
    "rejected": N_("Not possible this time."),
    "done": N_("Done."),
}


@blueprint.get("/services")
def index() -> str:
    """Show the catalogue: services by what they are for, events with seats, small ads."""
    house = visit.house()
    services = house.replica.list("services")
    known = [kind for kinds, _ in _GROUPS for kind in kinds]
    groups = [
        (
            title,
            [
                one
                for one in services
                if one.get("kind") in kinds or ("other" in kinds and one.get("kind") not in known)
            ],
        )
        for kinds, title in _GROUPS
    ]
    seats = [event for event in house.replica.events_from(house.now(), 200) if event.get("seats")]
    return render_template(
        "services/index.html",
        groups=[(title, found) for title, found in groups if found],
        events=seats[:_EVENTS],
        ads=_shown(house.replica.list("ads", limit=_ADS)),
        surveys=_shown(house.replica.list("surveys", limit=1)),
        queues=live.queues(house.settings, house.now()),
    )


def _shown(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those whose last day hasn't passed."""
    today = dates.here(visit.house().now()).date().isoformat()
    return [record for record in records if str(record.get("until") or today) >= today]


@blueprint.get("/services/<key>")
def one(key: str) -> str:
    """Show one service with its form."""
    return _show(_service(key), {}, {})


@blueprint.post("/services/<key>")
def ask(key: str) -> Response | tuple[str, int]:
    """Record what is asked for; the page that follows can be kept and opened again."""
    return _take(_service(key))


@blueprint.get("/events/<key>/seat")
def seat(key: str) -> str:
    """Show the form that asks for seats at an event."""
    return _show(_event(key), {}, {})


@blueprint.post("/events/<key>/seat")
def ask_seat(key: str) -> Response | tuple[str, int]:
    """Record how many seats are asked for."""
    return _take(_event(key))


@blueprint.get("/requests/<key>")
def follow(key: str) -> str:
    """Show where a request stands. Its id can't be guessed; the page tells nothing personal."""
    edge = visit.house().edge()
    found = requests.get(edge, key) if _ID.fullmatch(key) else None
    if found is None:
        abort(404)
    replica = visit.house().replica
    subject = replica.get("events" if found.kind == "event" else "services", found.subject) or {}
    state = "sent" if found.state == "recorded" and requests.has_left(edge, key) else found.state
    said = _said(found, state)
    return render_template(
        "services/follow.html",
        asked=found,
        state=state,
        subject=subject,
        said=STATES.get(said, STATES["sent"]),
        confirmed=found.is_confirmed,
        moment=dates.here(found.created_at),
        pay=_payment(subject, found) if state == "accepted" else "",
        waits=state in {"recorded", "sent", "waitlisted"} and not found.is_confirmed,
    )


def _said(asked: Request, state: str) -> str:
    """Return the key of `STATES` that is true of a request: a promise first, then whether it is on its way."""
    if asked.is_confirmed:
        return "confirmed"
    if asked.is_provisional:
        return "provisional"
    return "kept" if state == "recorded" and visit.cut_since() else state


def _payment(service: dict[str, Any], asked: Request) -> str:
    """Return where it is paid: the provider's own address, told which request it is; else ""."""
    address = str(service.get("payment") or "")
    if not address.startswith(("https://", "http://")) or not safe_link(address):
        return ""
    told = urlencode({"request": asked.id, "reference": asked.reference or ""})
    return f"{address}{'&' if '?' in address else '?'}{told}"


def _service(key: str) -> dict[str, Any]:
    return visit.house().replica.get("services", key) or abort(404)


def _event(key: str) -> dict[str, Any]:
    """Return an event with seats, as something that can be asked for."""
    event = visit.house().replica.get("events", key)
    start = dates.parse(event.get("start")) if event else None
    if event is None or not event.get("seats") or start is None or start.timestamp() < visit.house().now():
        abort(404)
    asked = {"kind": "event", "fields": ["people", "comment"], "capacity": event["seats"]}
    return {**event, "name": event.get("title"), "description": event.get("summary"), **asked}


def _take(subject: dict[str, Any]) -> Response | tuple[str, int]:
    guard.check()
    house = visit.house()
    given, errors = answers.check(subject, request.form, dates.here(house.now()).date())
    if errors:
        return _show(subject, request.form, errors), _UNREADABLE
    kind, key = str(subject.get("kind") or "other"), str(subject["id"])
    guard.limit(house.limits.requests)
    form = guard.filled_in(key, given)
    made = requests.create(house.edge(), kind=kind, subject=key, data=given, place=_PLACE, now=house.now(), form=form)
    _log.info("request_recorded", request=made.id, kind=kind)
    return redirect(url_for("services.follow", key=made.id), 302)


def _show(service: dict[str, Any], given: Any, errors: dict[str, str]) -> str:
    replica = visit.house().replica
    provider = replica.get("companies", str(service.get("provider") or ""))
    today = dates.here(visit.house().now()).date().isoformat()
    return render_template(
        "services/one.html",
        service=service,
        action=request.path,
        order=service.get("kind") in _ORDERS,
        fields=answers.form(service),
        given=given,
        errors=errors,
        provider=provider,
        today=today,
    )
