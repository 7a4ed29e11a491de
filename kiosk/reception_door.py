# SPDX-License-Identifier: EUPL-1.2
"""The door of the reception desk: a password on the LAN, a badge on the kiosk; wrong tries are limited.

The session's cookie is SameSite=Strict and HttpOnly, Secure under TLS; forms from elsewhere are refused by `gate`.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, url_for

from edge_core import clock, logs, passwords
from edge_core.errors import StoreError
from edge_core.i18n import N_
from edge_core.store import database, desk_users
from kiosk import codes, scans
from kiosk.here import kiosk

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug import Response

    Page = Callable[..., Any]

routes = Blueprint("reception_door", __name__)
EXTENSION = "parvis-desk"
COOKIE = "parvis-desk"
_log = logs.get(__name__)
_WINDOW = 15 * 60.0
_MOST_TRIES, _MOST_FROM_ONE_PLACE = 5, 20
_PASS_SECONDS = 30.0
_FORBIDDEN, _TOO_MANY, _LONGEST = 403, 429, 200
WRONG = N_("Name and password don't go together.")
WRONG_CODE = N_("This isn't the code of a receptionist's badge.")
LATER = N_("Too many wrong tries. Wait a quarter of an hour.")


@dataclass(frozen=True)
class Door:
    """How one enters, on the LAN or on the kiosk, and the seconds that a session lasts, and may be idle."""

    lan: bool
    lasts: float
    idle: float
    secure: bool = False


ON_THE_KIOSK = Door(lan=False, lasts=3600.0, idle=120.0)  # the page itself goes away when nobody touches it


def on_the_lan(*, secure: bool) -> Door:
    """Return the door of the desk's own pages."""
    return Door(lan=True, lasts=12 * 3600.0, idle=3600.0, secure=secure)


def door() -> Door:
    """Return the door of this application."""
    return cast("Door", current_app.extensions[EXTENSION])


def edge() -> closing[sqlite3.Connection]:
    """Open edge.db for a `with` block."""
    return closing(database.open_edge(kiosk().settings.edge_db))


def guarded(page: Page) -> Page:
    """Show a page to somebody who is signed in, the door to everybody else."""

    @wraps(page)
    def behind(*args: Any, **named: Any) -> Any:
        try:
            with edge() as connection:
                token = request.cookies.get(COOKIE, "")
                g.desk_user = desk_users.user_of(connection, token, door().idle, clock.now()) if token else None
        except (StoreError, sqlite3.Error):
            abort(503)
        if g.desk_user is None:
            return redirect(url_for("reception_door.page"), 303)
        return page(*args, **named)

    return behind


routes.app_context_processor(lambda: {"door": door()})


@routes.get("/<view:view>/reception/door")
def page() -> str:
    """Ask who it is."""
    return _door(None)


@routes.post("/<view:view>/reception/door")
def enter() -> Response | tuple[str, int]:
    """Let somebody in, or count a wrong try."""
    name = request.form.get("name", "")[:_LONGEST].strip() if door().lan else ""
    given = request.form.get("password" if door().lan else "code", "")[:_LONGEST]
    subjects = [f"user:{name}", f"from:{request.remote_addr}"] if door().lan else ["kiosk"]
    try:
        with edge() as connection:
            if _is_shut(connection, subjects):
                return _door(LATER), _TOO_MANY
            user = _who(connection, name, given)
            if user is None:
                for subject in subjects:
                    desk_users.note_failure(connection, subject, clock.now())
                _log.warning("desk_refused", lan=door().lan)
                return _door(WRONG if door().lan else WRONG_CODE), _FORBIDDEN
            return _let_in(connection, user)
    except (StoreError, sqlite3.Error):
        abort(503)


@routes.get("/<view:view>/reception/pass")
def taken() -> Response:
    """Let in whoever has scanned a badge a moment ago; the pass is good once."""
    token = request.args.get("t", "")[:_LONGEST]
    with edge() as connection:
        user = desk_users.user_of(connection, token, _PASS_SECONDS, clock.now())
        if user is None or not desk_users.close_session(connection, token):
            return redirect(url_for("reception_door.page"), 303)
        return _let_in(connection, user)


@routes.post("/<view:view>/reception/leave")
def leave() -> Response:
    """End the session."""
    with edge() as connection:
        desk_users.close_session(connection, request.cookies.get(COOKIE, ""))
    answer = redirect(url_for("reception_door.page") if door().lan else url_for("session.leave"), 303)
    answer.delete_cookie(COOKIE, samesite="Strict", httponly=True, secure=door().secure)
    return answer


@scans.reader
def scanned(_role: str, text: str) -> str | None:
    """Open the desk for a receptionist's badge; None for what is none."""
    scan = codes.read(text, kiosk().settings.site.id)
    if scan.kind != codes.STAFF or door().lan:
        return None
    with edge() as connection:
        now = clock.now()
        user = None if _is_shut(connection, ["kiosk"]) else desk_users.by_badge(connection, scan.code)
        if user is None:
            desk_users.note_failure(connection, "kiosk", now)
            return url_for("reception_door.page")
        return url_for("reception_door.taken", t=desk_users.open_session(connection, user, now + _PASS_SECONDS, now))


def _who(connection: sqlite3.Connection, name: str, given: str) -> str | None:
    if door().lan:
        return name if passwords.check(desk_users.secret_of(connection, name), given) else None
    scan = codes.read(given, kiosk().settings.site.id)
    typed = scan.code.upper() if scan.kind in (codes.STAFF, codes.ANY) else ""
    return desk_users.by_badge(connection, typed) if typed else None


def _is_shut(connection: sqlite3.Connection, subjects: list[str]) -> bool:
    since = clock.now() - _WINDOW
    return any(
        desk_users.failures(connection, subject, since)
        >= (_MOST_FROM_ONE_PLACE if subject.startswith("from:") else _MOST_TRIES)
        for subject in subjects
    )


def _let_in(connection: sqlite3.Connection, user: str) -> Response:
    now = clock.now()
    token = desk_users.open_session(connection, user, now + door().lasts, now)
    answer = redirect(url_for("reception.page"), 303)
    answer.set_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=door().secure, path="/")
    return answer


def _door(wrong: str | None) -> str:
    return render_template("reception/door.html", door=door(), wrong=wrong)
