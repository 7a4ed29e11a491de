# SPDX-License-Identifier: EUPL-1.2
"""The reception desk: who is expected, here and gone, what they wait for, the roll-call, the day's export.

Everything is read from the local store and written to it: the desk goes on with every cable but this one cut.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, g, redirect, render_template, request, url_for

from edge_core import clock, live, live_kiosks, uplink
from edge_core.errors import StoreError
from edge_core.one_line import one_line
from edge_core.store import desk_users, escalation, outbox, print_jobs, requests, roll_calls, visits
from edge_core.store.database import write
from edge_core.web import dates
from kiosk import codes, desk_export, device_words, received, scans
from kiosk.here import content, kiosk
from kiosk.reception_door import COOKIE, door, edge, guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug import Response as Answer

routes = Blueprint("reception", __name__)
_LONGEST_BADGE, _LONGEST_WORDS, _LONGEST_PLACE = 12, 300, 48


@routes.get("/<view:view>/reception")
@guarded
def page() -> str:
    """Show the day, whoever waits for the desk first."""
    here, now = kiosk().settings, clock.now()
    today = _midnight(now)
    with edge() as connection:
        escalation.turn(connection, here.device.id, now, received.patience(here))
        inside = visits.of_state(connection, visits.ARRIVED, visits.HERE)
        expected = [each for each in visits.of_state(connection, visits.ANNOUNCED) if _is_of_today(each, today)]
        gone = visits.of_state(connection, visits.LEFT, since=today, limit=200)
        asked = requests.latest(connection, 20)
        account, jobs = outbox.account(connection), print_jobs.counts(connection)
    calling = [each for each in inside if each.state == visits.ARRIVED and each.asked == visits.DESK]
    return render_template(
        "reception/board.html",
        calling=calling,
        helping=[(name, at) for name, (at, answered) in live.calls(here, now).items() if not answered],
        inside=[each for each in inside if each not in calling],
        expected=expected,
        gone=gone,
        asked=asked,
        treatable=requests.is_for_the_desk,
        companies=_companies(),
        services={each["id"]: each.get("name") for each in content().list("services")},
        account=account,
        jobs=jobs,
        own=live_kiosks.own(here),
        others=live_kiosks.others(here, now),
        device_words=device_words,
        uplink=uplink.read(here.run_dir),
        user=g.desk_user,
    )


@routes.post("/<view:view>/reception/visit/<key>/<action>")
@guarded
def act(key: str, action: str) -> Answer:
    """Do something for a visit, and show the day again."""
    if action not in _ACTIONS:
        abort(404)
    try:
        with edge() as connection:
            _ACTIONS[action](connection, key, clock.now())
    except (StoreError, sqlite3.Error):
        abort(503)
    return redirect(url_for("reception.page"), 303)


@routes.post("/<view:view>/reception/request/<key>/<state>")
@guarded
def treat(key: str, state: str) -> Answer:
    """Say of a request that it is done or can't be, with words for who asked, and show the day again."""
    here = kiosk().settings
    given = one_line(request.form.get("words", ""))
    try:
        with edge() as connection:
            told = {"state": state, "words": given[:_LONGEST_WORDS], "place": here.device.id}
            if not requests.settle(connection, key, **told, now=clock.now()):
                abort(404)
    except (StoreError, sqlite3.Error):
        abort(503)
    return redirect(url_for("reception.page"), 303)


@routes.post("/<view:view>/reception/help/<device>")
@guarded
def go(device: str) -> Answer:
    """Tell a kiosk that somebody is on the way, and show the day again."""
    here, now = kiosk().settings, clock.now()
    if device not in live.calls(here, now):
        abort(404)
    try:
        live.answer(here, device, now)
    except OSError:
        abort(503)
    return redirect(url_for("reception.page"), 303)


@routes.get("/<view:view>/reception/roll-call")
@guarded
def roll_call() -> str:
    """Show who is inside, by company, and who was found."""
    with edge() as connection:
        running, inside = roll_calls.running(connection), roll_calls.inside(connection)
    entries = [entry for group in inside.values() for entry in group]
    return render_template(
        "reception/roll_call.html",
        running=running,
        inside=inside,
        missing=sum(entry.ticket.people for entry in entries if not entry.found),
        found=sum(entry.ticket.people for entry in entries if entry.found),
        unknown="unknown" in request.args,
        companies=_companies(),
    )


@routes.post("/<view:view>/reception/roll-call/<action>")
@guarded
def call(action: str) -> Answer:
    """Begin or end a roll-call, or tick a ticket by its code."""
    now, unknown = clock.now(), None
    with edge() as connection:
        if action == "start":
            roll_calls.start(connection, now)
        elif action == "end":
            roll_calls.end(connection, now)
        elif action in ("tick", "untick"):
            scan = codes.read(request.form.get("code", ""), kiosk().settings.site.id)
            unknown = None if roll_calls.tick(connection, scan.code, now, found=action == "tick") else ""
        else:
            abort(404)
    # Always back to the page itself: it reads itself again, and what is scanned is ticked only there (`scanned`).
    at = request.form.get("at", "")[:_LONGEST_PLACE] or None  # where in the list it was ticked, to go on from there
    return redirect(url_for("reception.roll_call", unknown=unknown, _anchor=at), 303)


@routes.get("/<view:view>/reception/today.csv")
@guarded
def export() -> Response:
    """Return the day's visits for a spreadsheet."""
    now = clock.now()
    with edge() as connection:
        found = visits.of_state(connection, visits.ARRIVED, visits.HERE, visits.LEFT, since=_midnight(now))
    day = dates.here(now).date().isoformat()
    headers = {"Content-Disposition": f'attachment; filename="visits-{day}.csv"'}
    hosts = {each["id"]: g.language.text(each.get("role")) for each in content().list("hosts", limit=20_000)}
    table = desk_export.table(found, _companies(), hosts, g.language)
    return Response(table, mimetype="text/csv", headers=headers)


@scans.reader
def scanned(_role: str, text: str) -> str | None:
    """Tick a ticket that is scanned while the roll-call is on the screen; None while it isn't."""
    scan = codes.read(text, kiosk().settings.site.id)
    if scan.kind != codes.TICKET or urlsplit(request.referrer or "").path != url_for("reception.roll_call"):
        return None
    with edge() as connection:
        token = request.cookies.get(COOKIE, "")
        if not token or desk_users.user_of(connection, token, door().idle, clock.now()) is None:
            return None
        roll_calls.tick(connection, scan.code, clock.now())
    return url_for("reception.roll_call")


def _again(connection: sqlite3.Connection, key: str, now: float) -> None:
    with write(connection):
        found = visits.get(connection, key)
        if found and found.inside:
            visits.ask(connection, key, visits.HOST if found.host else visits.COMPANY, "again", now)


def _print(connection: sqlite3.Connection, key: str, now: float) -> None:
    with write(connection):
        for ticket in visits.tickets_of(connection, key):
            print_jobs.again(connection, ticket.code, now)


def _badge(connection: sqlite3.Connection, key: str, now: float) -> None:
    given = "".join(letter for letter in request.form.get("badge", "") if letter.isalnum() or letter == "-")
    visits.give_badge(connection, key, given[:_LONGEST_BADGE], now)


_ACTIONS: dict[str, Callable[[sqlite3.Connection, str, float], Any]] = {
    "received": visits.receive,
    "again": _again,
    "print": _print,
    "badge": _badge,
    "left": lambda connection, key, now: visits.leave(connection, key, "desk", now),
}


def _companies() -> dict[str, str]:
    return {each["id"]: str(each.get("name", each["id"])) for each in content().list("companies", limit=20_000)}


def _midnight(now: float) -> float:
    return dates.here(now).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


def _is_of_today(visit: visits.Visit, today: float) -> bool:
    return (visit.expected_until or 0.0) >= today and (visit.expected_from or 0.0) < today + 86400
