# SPDX-License-Identifier: EUPL-1.2
"""The plan by floor, with its places, who is there, and where this kiosk stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Blueprint, Response, abort, render_template, request

from edge_core.store import ways
from edge_core.web import drawing as drawn
from edge_core.web.templating import language
from kiosk import drawing
from kiosk.here import content, kiosk

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from markupsafe import Markup

    from edge_core.store.replica import Record

routes = Blueprint("plan", __name__)
_MARKS = frozenset({"kiosk", "borne"})  # where a kiosk stands, unless a place has this device's own id
_FAR = 99
_LONGEST_ADDRESS = 300  # characters: a denser QR code is hard to scan from a screen
_FOREVER = "public, max-age=31536000, immutable"
_DRAWING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@dataclass(frozen=True)
class Sheet:
    """A floor ready to be shown: its record, what its drawing shows (None: not here), its places, and two of them.

    `chosen` is the place that was asked for, `here` the one where this kiosk stands, `legs` the way between them, over
    all floors.
    """

    plan: Record
    box: drawing.Box | None
    places: list[Record]
    chosen: Record | None
    here: Record | None
    legs: list[ways.Leg]

    @property
    def way(self) -> Markup:
        """The lines of the way on this floor."""
        return drawn.way(leg.points for leg in self.legs if leg.plan == self.plan["id"])


@dataclass(frozen=True)
class Step:
    """A floor of a way in words: texts of the content, and "lift", "stairs" or ""."""

    floor: Any
    start: Any
    end: Any
    by: str


@routes.get("/<view:view>/plan")
def page() -> str:
    """Show the floor on which this kiosk stands, else the ground floor."""
    floors = _floors()
    if not floors:
        return render_template("plan_none.html")
    nearest = min(floors, key=lambda plan: (_standing(plan) is None, abs(_level(plan))))
    return _floor(sheet(nearest["id"], None) or abort(404))


@routes.get("/<view:view>/plan/<key>")
def floor(key: str) -> str:
    """Show one floor, and the place that the address names."""
    return _floor(sheet(key, request.args.get("place")) or abort(404))


@routes.get("/-/plan.<sha256>.svg")
def picture(sha256: str) -> Response:
    """Serve the drawing of a plan, and of plans only; its address is its digest, so it may be kept for good."""
    known = any(plan.get("svg") == sha256 for plan in content().list("plans"))
    path = (content().blob_path(sha256) if known else None) or abort(404)
    headers = {"Content-Security-Policy": _DRAWING_POLICY, "Cache-Control": _FOREVER}
    return Response(path.read_bytes(), mimetype="image/svg+xml", headers=headers)


def sheet(key: object, place: object) -> Sheet | None:
    """Return the floor `key` with `place` chosen, or None where the content has no such plan."""
    plan = content().get("plans", key) if isinstance(key, str) else None
    if plan is None:
        return None
    here = _standing(plan)
    chosen = next((found for found in places(plan) if found["id"] == place), None)
    others = [found for found in places(plan) if found is not here]
    return Sheet(plan, _box(plan), others, chosen, here, _legs(chosen) if chosen else [])


def _legs(chosen: Record) -> list[ways.Leg]:
    """Return the way from this kiosk to a place."""
    floors = _floors()
    standing = next((str(found["id"]) for each in floors if (found := _standing(each))), "")
    return ways.find(floors, standing or ways.entrance(floors), str(chosen["id"]))


def on_phone(floor: object, place: object) -> str:
    """Return the same way as a page of the portal, which a phone in the park's WiFi opens; "" where there is none.

    The way is in the fragment, which a browser keeps for itself: the portal serves a page and learns no destination.
    """
    host = kiosk().settings.portal.hostname
    found = sheet(floor, place) if host else None
    if found is None or found.chosen is None:
        return ""
    legs = found.legs or [ways.Leg(found.plan["id"], (), str(place), str(place), "")]
    page = f"http://{host}/{language().code}/way#"
    whole = page + fragment(legs)
    return whole if len(whole) <= _LONGEST_ADDRESS else page + fragment(replace(leg, points=()) for leg in legs)


def fragment(legs: Iterable[ways.Leg]) -> str:
    """Write a way for an address: for each floor FLOOR:START:END:BY:X,Y,X,Y…, with ";" between them."""
    parts = (
        (leg.plan, leg.start, leg.end, leg.by, ",".join(f"{round(each)}" for point in leg.points for each in point))
        for leg in legs
    )
    return ";".join(":".join(quote(part, safe=",") for part in leg) for leg in parts)


def _told(legs: list[ways.Leg], floors: list[Record]) -> list[Step]:
    """Return a way in words, floor by floor."""
    named = {str(place["id"]): place.get("name") for each in floors for place in places(each)}
    called = {str(each["id"]): each.get("name") for each in floors}
    return [
        Step(called[leg.plan], named.get(leg.start) or called[leg.plan], named.get(leg.end) or called[leg.plan], leg.by)
        for leg in legs
    ]


def places(plan: Record) -> list[Record]:
    """Return the places of a plan's record that have an id."""
    found = plan.get("places")
    return [place for place in found if _is_place(place)] if isinstance(found, list) else []


def _is_place(place: object) -> bool:
    return (
        isinstance(place, dict)
        and bool(place.get("id"))
        and all(isinstance(place.get(key), int | float) for key in "xy")
    )


def _standing(plan: Record) -> Record | None:
    marks = _MARKS | {kiosk().settings.device.id}
    return next((place for place in places(plan) if place["id"] in marks), None)


def _box(plan: Record) -> drawing.Box | None:
    path = content().blob_path(str(plan.get("svg", "")))
    try:
        head = _head(path) if path else b""
    except OSError:
        return None
    return drawing.box(head.decode("utf-8", "replace"))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(drawing.HEAD)


def _floor(found: Sheet) -> str:
    chosen, floors = found.chosen, _floors()
    return render_template(
        "plan.html",
        sheet=found,
        floors=floors,
        tenants=_tenants(found.plan["id"]),
        steps=_told(found.legs, floors),
        phone=on_phone(found.plan["id"], chosen["id"]) if chosen else "",
    )


def _floors() -> list[Record]:
    return sorted(content().list("plans"), key=_level)


def _level(plan: Record) -> int:
    level = plan.get("level", 0)
    return level if isinstance(level, int) else _FAR


def _tenants(plan: str) -> dict[Any, list[Record]]:
    """Return the companies of a floor by the place where they are."""
    found: dict[Any, list[Record]] = {}
    for company in content().list("companies", limit=20_000):
        if company.get("floor") == plan:
            found.setdefault(company.get("room"), []).append(company)
    return found
