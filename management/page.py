# SPDX-License-Identifier: EUPL-1.2
"""The device page: how the device is, now and in the last hour; its sessions; its vouchers."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from flask import Blueprint, Response, abort, current_app, flash, redirect, render_template, request, url_for

from edge_core import clock, sessions
from edge_core.errors import ParvisError
from edge_core.i18n import N_
from edge_core.store import database, vouchers
from edge_core.web import charts
from edge_core.web.templating import language
from management import batches
from management.door import guarded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from werkzeug import Response as Answer

    from edge_core.settings import Settings
    from management.history import History, Point
    from management.readings import Gauge

routes = Blueprint("page", __name__)
EXTENSION = "parvis-device"
DONE = N_("Done.")
_STATES = (N_("new"), N_("used"), N_("over"), N_("late"), N_("revoked"))


class Device(NamedTuple):
    """What the page shows."""

    settings: Settings
    gauge: Gauge
    history: History
    picture: Path


def device() -> Device:
    """Return what this page shows."""
    return cast("Device", current_app.extensions[EXTENSION])


@routes.get("/")
@guarded
def show() -> str:
    """Show everything."""
    return render_template("page.html", **_now(), batches=_batches())


@routes.get("/live")
@guarded
def live() -> str:
    """Show what changes by itself: figures and charts, for the script that asks again."""
    return render_template("live.html", **_now())


@routes.get("/screen/<int:taken>.png")
@guarded
def screen(taken: int) -> Response:
    """Give the picture of a kiosk's first page; its address changes with it."""
    try:
        body = device().picture.read_bytes()
    except OSError:
        abort(404)
    headers = {"Cache-Control": "private, max-age=60" if taken == _taken() else "no-store"}
    return Response(body, mimetype="image/png", headers=headers)


def _taken() -> int | None:
    """Return when the picture was taken, in seconds since 1970; None where there is none."""
    try:
        return int(device().picture.stat().st_mtime)
    except OSError:
        return None


@routes.post("/session/<session>/<any(end, extend, block):action>")
@guarded
def act(session: str, action: str) -> Answer:
    """End or extend a session, or shut its device out."""
    return _try(lambda: _ACTIONS[action](device().settings, session), "sessions")


@routes.post("/vouchers")
@guarded
def make() -> Answer | Any:
    """Make a batch and show it ready to print: codes are told here and never again."""
    form = request.form
    try:
        count, days = int(form.get("count", "")), int(form.get("days", ""))
        return batches.make(device().settings, count=count, days=days, batch=form.get("batch", ""))
    except ValueError:
        abort(400)
    except ParvisError as error:
        flash(f"{error.message} {error.remedy or ''}", "bad")
        return redirect(url_for("page.show", _anchor="vouchers"), 303)


@routes.post("/vouchers/revoke")
@guarded
def revoke() -> Answer:
    """Revoke a batch; its sessions end at once."""
    return _try(lambda: batches.revoke(device().settings, request.form.get("batch", "")), "vouchers")


_ACTIONS: dict[str, Callable[[Settings, str], object]] = {
    "end": sessions.end,
    "extend": lambda settings, session: sessions.extend(settings, session, 60),
    "block": sessions.block,
}


def _try(do: Callable[[], object], place: str) -> Answer:
    try:
        do()
        flash(DONE, "good")
    except ParvisError as error:
        flash(f"{error.message} {error.remedy or ''}", "bad")
    return redirect(url_for("page.show", _anchor=place), 303)


def _now() -> dict[str, Any]:
    reading = device().gauge.read()
    try:
        found = sessions.first(device().settings)
    except ParvisError:
        found = []
    points = device().history.points()
    return {
        "reading": reading,
        "sessions": found,
        "more": max(0, reading.facts["sessions"]["active"] - len(found)) if reading else 0,
        "charts": _charts(points),
        "taken": _taken(),
        "settings": device().settings,
        "now": clock.now(),
    }


def _charts(points: list[Point]) -> list[tuple[str, Any]]:
    """Return (title, chart) of what there is to draw."""

    def over(name: str, unit: float = 1.0) -> list[tuple[float, float | None]]:
        values = [(point.at, getattr(point, name)) for point in points]
        return [(at, None if value is None else value / unit) for at, value in values]

    drawn = (
        (N_("Guests online"), [over("online")]),
        (N_("Received, Mbit/s"), [over("down", 125_000)]),
        (N_("Sent, Mbit/s"), [over("up", 125_000)]),
        (N_("Answer of the Internet, ms"), [over("latency")]),
        (N_("Oldest event that waits, s"), [over("waiting")]),
        (N_("Temperature, °C"), [over("temperature")]),
    )
    return [
        (title, chart)
        for title, series in drawn
        if (chart := charts.line(language().gettext(title), *series)) is not None
    ]


def _batches() -> list[tuple[str, str, dict[str, int], float]]:
    """Return (name, plan, vouchers by state, valid until) of each batch, the newest first."""
    found: dict[str, list[vouchers.Voucher]] = {}
    try:
        with closing(database.open_edge(device().settings.edge_db)) as edge:
            for each in vouchers.all_of(edge):
                found.setdefault(each.batch, []).append(each)
    except ParvisError:
        return []
    now = clock.now()
    rows = []
    for name, held in found.items():
        states: dict[str, int] = {}
        for each in held:
            states[each.state(now)] = states.get(each.state(now), 0) + 1
        rows.append((name, held[0].plan, states, held[0].valid_until))
    return rows[::-1]
