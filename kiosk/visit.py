# SPDX-License-Identifier: EUPL-1.2
"""I am expected: company, host, name, what the company asks for; then the arrival is recorded, once.

What somebody writes is in the form alone, never in an address.
"""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, redirect, render_template, request, url_for

from edge_core import clock, logs
from edge_core.errors import StoreError
from edge_core.i18n import N_
from edge_core.store import database, visits
from edge_core.web import dates
from edge_core.web.templating import language
from kiosk import answers, find, ticketing
from kiosk.here import content, kiosk

if TYPE_CHECKING:
    from werkzeug import Response

    from edge_core.store.replica import Record

routes = Blueprint("visit", __name__)
_log = logs.get(__name__)
NOBODY = "-"
MOST_PEOPLE = 40
_QUESTIONS = [
    answers.Question("name", "name", "line", needed=True, most=80),
    answers.Question("people", "people", "number", needed=True, most=MOST_PEOPLE),
]
_SHOWN = 24
REASONS = {**answers.REASONS, "not_accepted": N_("The company only receives people who accept this.")}


@routes.get("/<view:view>/visit")
def page() -> str:
    """Ask which company expects them."""
    asked = find.question(request.args.get("q", ""))
    return render_template("visit/company.html", asked=asked, companies=_companies(asked))


@routes.get("/<view:view>/visit/answers")
def fragment() -> str:
    """Return the companies alone, for the page that asks at each letter."""
    asked = find.question(request.args.get("q", ""))
    return render_template("visit/companies.html", asked=asked, companies=_companies(asked))


@routes.get("/<view:view>/visit/<company>")
def host(company: str) -> str:
    """Ask for whom they come; a company that names no role is asked itself."""
    known = _company(company)
    roles = _hosts(known)
    if not roles:
        return show_form(known, None, {})
    return render_template("visit/host.html", company=known, hosts=roles)


@routes.get("/<view:view>/visit/<company>/<host>")
def form(company: str, host: str) -> str:
    """Ask for the name, and show what is kept and why."""
    return show_form(_company(company), _host(company, host), {})


@routes.post("/<view:view>/visit/<company>/<host>")
def arrive(company: str, host: str) -> str | Response | tuple[str, int]:
    """Record the arrival, or show the form again with what must be mended."""
    known, chosen = _company(company), _host(company, host)
    checked = answers.check(_QUESTIONS, request.form, dates.here(clock.now()))
    refused = dict(checked.refused)
    if _rules(known).get("agreement") and "accept" not in request.form:
        refused["accept"] = "not_accepted"
    if refused:
        return show_form(known, chosen, refused), 422
    try:
        made = record(known, chosen, checked.answers["name"], int(checked.answers["people"]))
    except (StoreError, sqlite3.Error) as error:
        _log.error("arrival_not_recorded", reason=type(error).__name__)
        return show_form(known, chosen, {}, failed=True), 503
    return redirect(url_for("received.page", key=made.id), 303)


def record(
    company: Record, chosen: Record | None, name: str, people: int, *, expected: visits.Visit | None = None
) -> visits.Visit:
    """Record an arrival with its tickets. Raises StoreError or sqlite3.Error: then nothing is recorded."""
    each = people > 1 and request.form.get("tickets") == "each"
    tickets = ticketing.make(company, [1] * people if each else [people])
    arrival = visits.Arrival(
        company=company["id"],
        host=chosen["id"] if chosen else None,
        name=name,
        people=people,
        place=kiosk().settings.device.id,
        language=language().code,
        form=_form_id(),
    )
    with closing(database.open_edge(kiosk().settings.edge_db)) as connection:
        return visits.arrive(connection, arrival, tickets, clock.now(), expected=expected.id if expected else None)


def show_form(
    company: Record,
    chosen: Record | None,
    refused: dict[str, str],
    *,
    failed: bool = False,
    expected: visits.Visit | None = None,
) -> str:
    """Return the form; `expected` fills it in for somebody who was announced."""
    given: dict[str, Any] = dict(request.form)
    if expected is not None:
        given = {"name": expected.name, "people": expected.people, **given}
    return render_template(
        "visit/form.html",
        company=company,
        host=chosen,
        back=url_for("visit.host", company=company["id"]) if _hosts(company) else url_for("visit.page"),
        rules=_rules(company),
        given=given,
        refused=refused,
        reasons=REASONS,
        failed=failed,
        expected=expected,
        form=_form_id() or str(uuid.uuid4()),
        days=kiosk().settings.kiosk.visit_days,
        most_people=MOST_PEOPLE,
    )


def asks_nothing(company: Record) -> bool:
    """Tell whether a company lets people in without anything to read or accept."""
    return not (_rules(company).get("notice") or _rules(company).get("agreement"))


def _rules(company: Record) -> dict[str, Any]:
    found = company.get("arrival")
    return found if isinstance(found, dict) else {}


def _company(key: str) -> Record:
    return content().get("companies", key) or abort(404)


def _hosts(company: Record) -> list[Record]:
    return [each for each in content().list("hosts", order="id", limit=20_000) if each.get("company") == company["id"]]


def _host(company: str, key: str) -> Record | None:
    if key == NOBODY:
        return None
    found = content().get("hosts", key)
    return found if found and found.get("company") == company else abort(404)


def _companies(asked: str) -> list[Record]:
    if asked:
        return content().search(asked, ("companies",), _SHOWN)
    return content().list("companies", limit=200)


def _form_id() -> str | None:
    """Return the name of the filled-in form, so that a second touch makes no second visit; None where it has none."""
    try:
        return str(uuid.UUID(request.form.get("form", "")))
    except ValueError:
        return None
