# SPDX-License-Identifier: EUPL-1.2
"""I am leaving, and every code that is scanned or typed: a ticket ends its visit, an invitation begins one.

Nobody learns here who is in the building: a name is only compared, and what is found says when, never who or where.
"""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

from flask import Blueprint, abort, redirect, render_template, request, url_for

from edge_core import clock, logs
from edge_core.errors import StoreError
from edge_core.i18n import N_
from edge_core.store import database, visits
from edge_core.store.search import fold
from kiosk import codes, visit
from kiosk.here import content, kiosk

if TYPE_CHECKING:
    from werkzeug import Response

routes = Blueprint("leaving", __name__)
_log = logs.get(__name__)
_LEAST = 4  # letters of a name before it is looked for
_UNREADABLE = 422
REFUSALS = {
    codes.UNREADABLE: N_("This can't be read as a code. Try again, or ask at the reception."),
    codes.FOREIGN: N_("This code belongs to another site. Ask at the reception."),
    "unknown": N_("This code isn't known here. Check its letters and digits, or ask at the reception."),
    "used": N_("This invitation has been used already. If it wasn't you, tell the reception."),
    "early": N_("This invitation is for another day. Ask at the reception."),
    "late": N_("This invitation is over. Ask at the reception."),
    "gone": N_("The company of this invitation isn't here any more. Ask at the reception."),
    "name": N_(
        "No visit under this name was found for sure. Write it in full, scan your ticket, or ask at the reception."
    ),
}


@routes.get("/<view:view>/leaving")
def page() -> str:
    """Ask for the ticket, or else for the name."""
    return _page()


@routes.get("/<view:view>/invited")
def invited() -> str:
    """Ask for the code of an invitation."""
    return render_template("visit/invited.html", refusal=None, given="")


@routes.post("/<view:view>/code")
def code() -> str | Response | tuple[str, int]:
    """Do what a code is for, whoever typed or scanned it."""
    scan = codes.read(request.form.get("code", ""), kiosk().settings.site.id)
    if scan.kind in REFUSALS:
        return _refuse(scan.kind)
    try:
        with closing(database.open_edge(kiosk().settings.edge_db)) as connection:
            invitation = visits.invited(connection, scan.code) if scan.kind in (codes.INVITATION, codes.ANY) else None
            ticket = visits.ticket(connection, scan.code) if scan.kind in (codes.TICKET, codes.ANY) else None
            if ticket is not None:
                ended = visits.return_ticket(connection, ticket.code, clock.now())
                return render_template("visit/goodbye.html", visit=ended, twice=ticket.left_at is not None)
        if invitation is not None:
            return _begin(invitation)
    except (StoreError, sqlite3.Error) as error:
        _log.error("code_not_served", reason=type(error).__name__)
        abort(503)
    return _refuse("unknown")


@routes.post("/<view:view>/invited/<key>")
def accept(key: str) -> str | Response | tuple[str, int]:
    """Record the arrival of somebody who was announced, after what the company gives to read and accept."""
    try:
        with closing(database.open_edge(kiosk().settings.edge_db)) as connection:
            expected = visits.get(connection, str(uuid.UUID(key)))
    except ValueError:
        abort(404)
    except (StoreError, sqlite3.Error):
        abort(503)
    if expected is None or expected.invitation is None or expected.invitation != request.form.get("code"):
        abort(404)
    return _begin(expected, asked=True)


@routes.post("/<view:view>/leaving/name")
def by_name() -> str | tuple[str, int]:
    """Look for an open visit under a name, and ask whether it is this one."""
    found = _open_under(request.form.get("name", ""))
    if found is None:
        return _page("name"), _UNREADABLE
    return render_template("visit/leave_confirm.html", visit=found)


@routes.post("/<view:view>/leaving/<key>")
def confirm(key: str) -> str | Response:
    """End the visit that was found."""
    try:
        with closing(database.open_edge(kiosk().settings.edge_db)) as connection:
            visits.leave(connection, str(uuid.UUID(key)), "name", clock.now())
            ended = visits.get(connection, str(uuid.UUID(key)))
    except ValueError:
        abort(404)
    except (StoreError, sqlite3.Error):
        abort(503)
    return render_template("visit/goodbye.html", visit=ended or abort(404), twice=False)


def _begin(expected: visits.Visit, *, asked: bool = False) -> str | Response | tuple[str, int]:
    """Let an announced visit arrive, or say why not; `asked`: the company's rules have been shown."""
    company = content().get("companies", expected.company)
    refusal = _refusal(expected, clock.now()) or ("" if company else "gone")
    if refusal or company is None:
        return _refuse(refusal)
    host = content().get("hosts", expected.host) if expected.host else None
    rules = company.get("arrival") or {}
    missing = {"accept": "not_accepted"} if rules.get("agreement") and "accept" not in request.form else {}
    if not asked and not visit.asks_nothing(company):
        return visit.show_form(company, host, {}, expected=expected)
    if missing:
        return visit.show_form(company, host, missing, expected=expected), _UNREADABLE
    try:
        made = visit.record(company, host, expected.name, expected.people, expected=expected)
    except (StoreError, sqlite3.Error) as error:
        _log.error("arrival_not_recorded", reason=type(error).__name__)
        return visit.show_form(company, host, {}, expected=expected, failed=True), 503
    return redirect(url_for("received.page", key=made.id), 303)


def _refusal(expected: visits.Visit, now: float) -> str:
    if expected.state != visits.ANNOUNCED:
        return "used"
    if expected.expected_until is not None and now > expected.expected_until:
        return "late"
    return "early" if expected.expected_from is not None and now < expected.expected_from else ""


def _open_under(name: str) -> visits.Visit | None:
    """Return the one open visit whose name begins as was written; None where none does, or several do."""
    asked = fold(name[:120]).strip()
    if len(asked) < _LEAST:
        return None
    try:
        with closing(database.open_edge(kiosk().settings.edge_db)) as connection:
            there = visits.of_state(connection, visits.ARRIVED, visits.HERE)
    except (StoreError, sqlite3.Error):
        abort(503)
    found = [each for each in there if fold(each.name).startswith(asked)]
    exact = [each for each in found if fold(each.name) == asked]
    return exact[0] if len(exact) == 1 else found[0] if len(found) == 1 else None


def _refuse(why: str) -> tuple[str, int]:
    _log.info("code_refused", reason=why)
    if request.form.get("from") == "invited":
        return render_template("visit/invited.html", refusal=REFUSALS[why], given=""), _UNREADABLE
    return _page(why), _UNREADABLE


def _page(refusal: str | None = None) -> str:
    return render_template("visit/leaving.html", refusal=REFUSALS[refusal] if refusal else None)
