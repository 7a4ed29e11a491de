# SPDX-License-Identifier: EUPL-1.2
"""Services and the forms that ask for them. A request is written to the local store before the page says so.

Repeating a request's page is safe: it is reached by a redirect, and only reads.
"""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

from flask import Blueprint, abort, g, redirect, render_template, request, url_for

from edge_core import clock, logs
from edge_core.errors import StoreError
from edge_core.store import database, requests
from edge_core.web import dates
from kiosk import answers
from kiosk.here import content, kiosk

if TYPE_CHECKING:
    from werkzeug import Response

    from edge_core.store.replica import Record

routes = Blueprint("services", __name__)
_log = logs.get(__name__)
_SHOWN_SECONDS = 15 * 60
"""A request's page is the asker's own: it closes when somebody else must be standing there."""


@routes.get("/<view:view>/services")
def index() -> str:
    """List the services."""
    return render_template("services.html", services=content().list("services"))


@routes.get("/<view:view>/service/<key>")
def page(key: str) -> str:
    """Show one service and its form."""
    return _form(_service(key), answers.Checked({}, {}))


@routes.post("/<view:view>/service/<key>")
def ask(key: str) -> str | Response | tuple[str, int]:
    """Record a request, then show it; or show the form again with what must be mended."""
    service = _service(key)
    checked = answers.check(_questions(service), request.form, dates.here(clock.now()))
    if checked.refused:
        return _form(service, checked), 422
    try:
        made = _record(service, checked.answers)
    except (StoreError, sqlite3.Error) as error:
        _log.error("request_not_recorded", reason=type(error).__name__)
        return _form(service, checked, failed=True), 503
    return redirect(url_for("services.state", key=made), 303)


@routes.get("/<view:view>/request/<key>")
def state(key: str) -> str | tuple[str, int]:
    """Show how far a request is."""
    found = _request(key) or abort(404)
    if clock.now() - found.created_at > _SHOWN_SECONDS:
        return render_template("request_closed.html"), 410
    service = content().get("services", found.subject) or {}
    return render_template("request.html", asked=found, service=service)


def _service(key: str) -> Record:
    return content().get("services", key) or abort(404)


def _questions(service: Record) -> list[answers.Question]:
    fields = service.get("fields")
    return answers.questions(fields if isinstance(fields, list) else [], service.get("capacity"))


def _form(service: Record, checked: answers.Checked, *, failed: bool = False) -> str:
    provider = content().get("companies", str(service.get("provider", "")))
    today = dates.here(clock.now()).date()
    return render_template(
        "service.html",
        service=service,
        provider=provider,
        questions=_questions(service),
        given={**request.form, **checked.answers} if request.method == "POST" else {},
        refused=checked.refused,
        failed=failed,
        days=answers.days(today),
        hours=answers.hours(),
        labels=answers.LABELS,
        reasons=answers.REASONS,
    )


def _record(service: Record, given: dict[str, str]) -> str:
    here = kiosk().settings
    with closing(database.open_edge(here.edge_db)) as connection:
        made = requests.create(
            connection,
            kind=str(service.get("kind") or "other"),
            subject=service["id"],
            data={**given, "language": g.language.code},
            place=here.device.id,
            now=clock.now(),
        )
    return made.id


def _request(key: str) -> requests.Request | None:
    try:
        with closing(database.open_edge(kiosk().settings.edge_db)) as connection:
            return requests.get(connection, str(uuid.UUID(key)))
    except ValueError:
        return None
    except (StoreError, sqlite3.Error):
        abort(503)
