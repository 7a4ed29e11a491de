# SPDX-License-Identifier: EUPL-1.2
"""After the arrival: the page that follows live who comes, with the ticket on it."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

from flask import Blueprint, abort, render_template

from edge_core import clock
from edge_core.errors import StoreError
from edge_core.store import database, escalation, visits
from kiosk import plan, printed, ticketing
from kiosk.here import content, kiosk

if TYPE_CHECKING:
    from edge_core.settings import Settings

routes = Blueprint("received", __name__)
_SHOWN_SECONDS = 15 * 60
"""Later somebody else stands there."""


def patience(settings: Settings) -> escalation.Patience:
    """Return how long this kiosk waits for whom."""
    own = settings.kiosk
    return escalation.Patience(own.host_patience, own.company_patience, own.platform_patience)


@routes.get("/<view:view>/received/<key>")
def page(key: str) -> str | tuple[str, int]:
    """Show how far it is, whom we have asked, and the ticket."""
    here, now = kiosk().settings, clock.now()
    try:
        with closing(database.open_edge(here.edge_db)) as connection:
            escalation.turn(connection, here.device.id, now, patience(here))
            visit = visits.get(connection, str(uuid.UUID(key)))
            tickets = visits.tickets_of(connection, visit.id) if visit else []
            paper = printed.of(connection, tickets, here)
            told = visit is not None and visits.told(connection, visit.id)
    except ValueError:
        abort(404)
    except (StoreError, sqlite3.Error):
        abort(503)
    if visit is None or visit.arrived_at is None:
        abort(404)
    if now - visit.arrived_at > _SHOWN_SECONDS or not visit.inside:
        return render_template("visit/closed.html"), 410
    company = content().get("companies", visit.company) or {"id": visit.company, "name": visit.company}
    rules = company.get("arrival")
    return render_template(
        "visit/received.html",
        visit=visit,
        told=told,
        paper=paper,
        on_paper=paper == printed.PRINTED,
        company=company,
        badge=bool(isinstance(rules, dict) and rules.get("badge")),
        sheet=plan.sheet(company.get("floor"), company.get("room")),
        tickets=[ticketing.shown(company, each) for each in tickets],
    )
