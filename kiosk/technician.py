# SPDX-License-Identifier: EUPL-1.2
"""Technician mode: opened by scanning a signed pass, for ten minutes; shows what parvis doctor says, prints a test.

There is no corner to touch and no word to type: without the pass this page can't be reached.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

from flask import Blueprint, abort, current_app, g, redirect, render_template, url_for

from edge_core import clock, logs, technician
from edge_core.doctor import command
from edge_core.errors import StoreError
from edge_core.store import database, print_jobs
from edge_core.web import dates
from kiosk import scans
from kiosk.here import kiosk
from kiosk.ticket import Ticket

if TYPE_CHECKING:
    from werkzeug import Response

routes = Blueprint("technician", __name__)
_log = logs.get(__name__)
_OPEN_SECONDS = 600.0
_EXTENSION = "parvis-technician"


@scans.reader
def read(_role: str, text: str) -> str | None:
    """Open technician mode for a good pass; a bad one is answered as a stranger's code, and noted."""
    here = kiosk().settings
    if not technician.is_pass(text) or here.kiosk.technicians is None:
        return None
    try:
        public = technician.read_public(here.kiosk.technicians.read_bytes())
        technician.check(text, public, here.site.id, here.device.id, clock.now())
    except technician.PassError as error:
        _log.warning("technician_refused", reason=str(error))
        return None
    except (OSError, ValueError) as error:
        _log.error("technicians_key_unreadable", reason=type(error).__name__)
        return None
    token = secrets.token_urlsafe(16)
    current_app.extensions[_EXTENSION] = (token, time.monotonic() + _OPEN_SECONDS)  # the last one only
    _log.info("technician_came")
    return url_for("technician.page", token=token)


@routes.get("/<view:view>/technician/<token>")
def page(token: str) -> str:
    """Show how this kiosk is."""
    _require(token)
    found = command.findings("kiosk", kiosk().settings)
    return render_template("technician.html", findings=found, token=token)


@routes.post("/<view:view>/technician/<token>/print")
def print_test(token: str) -> Response:
    """Print a ticket that opens nothing."""
    _require(token)
    here, now = kiosk().settings, clock.now()
    ticket = Ticket(
        id=str(uuid.uuid4()), language=g.language.code, park=here.site.name, company="Test", code="TEST-TEST",
        day=f"{dates.here(now):%Y-%m-%d %H:%M}", check_out="PARVIS:TEST",
    )  # fmt: skip
    try:
        with closing(database.open_edge(here.edge_db)) as connection, database.write(connection):
            print_jobs.add(connection, ticket.id, ticket.as_json(), now)
    except (StoreError, sqlite3.Error):
        abort(503)
    return redirect(url_for("technician.page", token=token), 303)


def _require(token: str) -> None:
    known, until = current_app.extensions.get(_EXTENSION, ("", 0.0))
    if not known or not secrets.compare_digest(known.encode(), token.encode()) or time.monotonic() > until:
        abort(404)
