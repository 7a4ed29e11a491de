# SPDX-License-Identifier: EUPL-1.2
"""Visits as the platform's people see them: who waits, what the host answers, and announcing somebody. Pages of it."""

from __future__ import annotations

import re
import secrets
import sqlite3
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import TYPE_CHECKING, Any

import segno
import uuid6
from flask import Blueprint, abort, current_app, redirect, request, url_for
from markupsafe import Markup

from lab.platform import replies, store
from lab.platform.inbox import Decision
from lab.platform.origin import only_from_our_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.typing import ResponseReturnValue

    from lab.platform.store import Connection

pages = Blueprint("visits", __name__)
ANSWERS = ("seen", "coming", "wait", "refused")
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SLUG = re.compile(r"[a-z0-9]([a-z0-9_-]{0,98}[a-z0-9])?")
_HOURS = 12
_MOST_PEOPLE, _LONGEST_NAME = 200, 120
_KIOSKS = """
SELECT DISTINCT d.id FROM devices d JOIN streams s ON s.device = d.id JOIN events e ON e.stream = s.id
WHERE d.site = ? AND e.type = 'eu.parvis.health.up.v1' AND e.data LIKE ? ORDER BY d.id
"""


def latest(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Return visits that are still told of, newest first, ahead of all where somebody stands there (`waits`)."""
    rows = connection.execute(
        "SELECT v.*, d.site, d.name AS device_name FROM visits v LEFT JOIN devices d ON d.id = v.device"
        " WHERE v.changed IS NOT NULL ORDER BY (v.arrived IS NOT NULL AND v.left_at IS NULL) DESC, v.n DESC LIMIT ?",
        [limit],
    )
    found = [dict(row) for row in rows]
    return [{**row, "waits": row["arrived"] is not None and row["left_at"] is None} for row in found]


def sites(connection: Connection) -> list[str]:
    """Return the sites that have devices."""
    return [row[0] for row in connection.execute("SELECT DISTINCT site FROM devices ORDER BY site").fetchall()]


def answer(connection: Connection, visit: str, said: str, now: float) -> int | None:
    """Write the host's answer, in the caller's transaction; return the device, None where nobody waits for it."""
    row = connection.execute(
        "SELECT device FROM visits WHERE visit = ? AND arrived IS NOT NULL AND left_at IS NULL", [visit]
    ).fetchone()
    if row is None or said not in ANSWERS:
        return None
    connection.execute("UPDATE visits SET answer = ?, changed = ? WHERE visit = ?", [said, now, visit])
    replies.tell_visit(connection, int(row[0]), visit, {"answer": said}, now)
    return int(row[0])


def announce(connection: Connection, site: str, told: dict[str, Any], now: float) -> int | None:
    """Announce a visit to every kiosk of a site, in the caller's transaction; return one, None where it has none."""
    kiosks = [int(row[0]) for row in connection.execute(_KIOSKS, [site, '%"role":"kiosk"%']).fetchall()]
    visit = str(uuid6.uuid7())
    code = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    until = now + _HOURS * 3600
    whole = {**told, "code": code, "from": replies.rfc3339(now - 3600), "until": replies.rfc3339(until)}
    rows = [(visit, None, told["company"], told["host"], told["name"], told["people"], code, until, now)]
    columns = "visit, device, company, host, name, people, code, until, changed"
    store.write_rows(connection, "visits", columns, rows, "ON CONFLICT DO NOTHING")
    for kiosk in kiosks:
        replies.tell_visit(connection, kiosk, visit, {"announced": whole}, now)
    if not kiosks:
        return None
    connection.execute("UPDATE visits SET device = ? WHERE visit = ?", [kiosks[0], visit])
    return kiosks[0]


def pass_of(site: str, code: str) -> Markup:
    """Return the invitation's QR code."""
    return Markup(segno.make(f"PARVIS:{site}:V:{code}", error="m", micro=False).svg_inline(scale=3, border=2))  # noqa: S704  made by segno


@pages.post("/visits/<uuid:key>")
def decide(key: Any) -> ResponseReturnValue:
    """Answer as the host; it is on its way when this answers."""
    only_from_our_page()
    said = request.form.get("answer", "")
    return _change(lambda connection: answer(connection, str(key), said, time.time()))


@pages.post("/visits")
def expect() -> ResponseReturnValue:
    """Announce somebody."""
    only_from_our_page()
    form = request.form
    name = " ".join(form.get("name", "").split())
    written = form.get("people", "1")
    people = int(written) if written.isascii() and written.isdigit() and len(written) <= len(str(_MOST_PEOPLE)) else 0
    good = name.isprintable() and 0 < len(name) <= _LONGEST_NAME and 1 <= people <= _MOST_PEOPLE
    if not good or not _SLUG.fullmatch(form.get("company", "")):
        abort(400)
    told = {"company": form["company"], "host": None, "name": name, "people": people}
    return _change(lambda connection: announce(connection, form.get("site", ""), told, time.time()))


def _change(change: Callable[[Connection], int | None]) -> ResponseReturnValue:
    done: Future[Any] = Future()
    current_app.extensions["platform"].inbox.put(Decision(change, done))
    try:
        device = done.result(timeout=5)
    except (NotInTime, sqlite3.Error):
        abort(503)
    if device is None:
        abort(409)
    return redirect(url_for("pages.page", lang=request.form.get("lang"), _anchor="visits"), 303)
