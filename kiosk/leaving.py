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
from kiosk import codes, scans, visit
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
    """Ask for the ticket, or else for the name; `?why=` says why a scanned code was refused."""
    return _page(request.args.get("why"))


@routes.get("/<view:view>/invited")
def invited() -> str:
    """Ask for the code of an invitation."""
    return render_template("visit/invited.html", refusal=None, given={})


@routes.post("/<view:view>/code")
def code() -> Response | tuple[str, int]:
    """Do what a typed code is for."""
    href, refused = _follow(codes.read(request.form.get("code", ""), kiosk().settings.site.id))
    return redirect(href, 303) if href else _refuse(refused)


@scans.last_reader
def scanned(_role: str, text: str) -> str | None:
    """Do what a scanned code is for, and return the page that says so; None where the code isn't of Parvis."""
    scan = codes.read(text, kiosk().settings.site.id)
    if not text.startswith(codes.PREFIX) or scan.kind == codes.STAFF:
        return None
    href, refused = _follow(scan)
    return href or url_for("leaving.page", why=refused)


@routes.get("/<view:view>/invited/<key>")
def rules(key: str) -> str:
    """Show to somebody who was announced what the company gives to read and accept."""
    expected = _get(key)
    if expected is None or expected.state != visits.ANNOUNCED:
        abort(404)
    company = content().get("companies", expected.company) or abort(404)
    return visit.show_form(company, None, {}, expected=expected)


@routes.post("/<view:view>/invited/<key>")
def accept(key: str) -> str | Response | tuple[str, int]:
    """Record the arrival of somebody who was announced and has read that."""
    expected = _get(key)
    if expected is None or expected.invitation is None:
        abort(404)
    refused = _refusal(expected, clock.now())
    if refused:
        return _refuse(refused)
    company = content().get("companies", expected.company) or abort(404)
    asked = company.get("arrival") or {}
    if asked.get("agreement") and "accept" not in request.form:
        return visit.show_form(company, None, {"accept": "not_accepted"}, expected=expected), _UNREADABLE
    try:
        return redirect(_arrive(expected), 303)
    except (StoreError, sqlite3.Error) as error:
        _log.error("arrival_not_recorded", reason=type(error).__name__)
        return visit.show_form(company, None, {}, expected=expected, failed=True), 503


@routes.get("/<view:view>/goodbye/<key>")
def goodbye(key: str) -> str:
    """Say that a ticket was taken back; `?twice` says that it had been before."""
    return render_template("visit/goodbye.html", visit=_get(key) or abort(404), twice="twice" in request.args)


@routes.post("/<view:view>/leaving/name")
def by_name() -> str | tuple[str, int]:
    """Look for an open visit under a name, and ask whether it is this one."""
    found = _open_under(request.form.get("name", ""))
    if found is None:
        return _page("name"), _UNREADABLE
    return render_template("visit/leave_confirm.html", visit=found)


@routes.post("/<view:view>/leaving/<key>")
def confirm(key: str) -> Response:
    """End the visit that was found."""
    found = _get(key) or abort(404)
    try:
        with closing(database.open_edge(kiosk().settings.edge_db)) as connection:
            visits.leave(connection, found.id, "name", clock.now())
    except (StoreError, sqlite3.Error):
        abort(503)
    return redirect(url_for("leaving.goodbye", key=found.id), 303)


def _follow(scan: codes.Scan) -> tuple[str, str]:
    """Do what a code is for; return the page to show, or "" and why it is refused."""
    if scan.kind in REFUSALS:
        return "", scan.kind
    try:
        with closing(database.open_edge(kiosk().settings.edge_db)) as connection:
            ticket = visits.ticket(connection, scan.code) if scan.kind in (codes.TICKET, codes.ANY) else None
            if ticket is not None:
                visits.return_ticket(connection, ticket.code, clock.now())
                twice = "" if ticket.left_at is not None else None
                return url_for("leaving.goodbye", key=ticket.visit, twice=twice), ""
            expected = visits.invited(connection, scan.code) if scan.kind in (codes.INVITATION, codes.ANY) else None
        return _begin(expected) if expected is not None else ("", "unknown")
    except (StoreError, sqlite3.Error) as error:
        _log.error("code_not_served", reason=type(error).__name__)
        abort(503)


def _begin(expected: visits.Visit) -> tuple[str, str]:
    """Let an announced visit arrive, after the company's rules where it has any."""
    company = content().get("companies", expected.company)
    refused = _refusal(expected, clock.now()) or ("" if company else "gone")
    if refused or company is None:
        return "", refused
    if not visit.asks_nothing(company):
        return url_for("leaving.rules", key=expected.id), ""
    return _arrive(expected), ""


def _arrive(expected: visits.Visit) -> str:
    company = content().get("companies", expected.company) or abort(404)
    host = content().get("hosts", expected.host) if expected.host else None
    made = visit.record(company, host, expected.name, expected.people, expected=expected)
    return url_for("received.page", key=made.id)


def _get(key: str) -> visits.Visit | None:
    try:
        with closing(database.open_edge(kiosk().settings.edge_db)) as connection:
            return visits.get(connection, str(uuid.UUID(key)))
    except ValueError:
        return None
    except (StoreError, sqlite3.Error):
        abort(503)


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
        return render_template("visit/invited.html", refusal=REFUSALS[why], given=request.form), _UNREADABLE
    return _page(why), _UNREADABLE


def _page(why: str | None = None) -> str:
    return render_template("visit/leaving.html", refusal=REFUSALS.get(why or ""), given=request.form)
