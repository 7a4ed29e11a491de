# SPDX-License-Identifier: EUPL-1.2
"""The directory of the companies that work here: search by form or at each letter, one page each."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, render_template, request

from captive_portal import counted, visit
from edge_core.store import ways

blueprint = Blueprint("companies", __name__)
PREFIX = "/<lang:lang>/companies"
_PAGE = 60
_FOUND, _AT_A_LETTER = 24, 12  # whoever doesn't see it among these asks otherwise, or types on
_LONGEST_QUESTION = 80
_LAST_PAGE = 1000
_TOLD = 6


@blueprint.get("")
def index() -> str:
    """List companies by name, a page at a time, or those that match what is asked."""
    return render_template("companies/index.html", **_asked(_FOUND))


@blueprint.get("/answers")
def answers() -> str:
    """Return the list alone, for the page that asks at each letter."""
    return render_template("companies/answers.html", **_asked(_AT_A_LETTER))


def _asked(most: int) -> dict[str, Any]:
    replica = visit.house().replica
    asked = " ".join(request.args.get("q", "")[:_LONGEST_QUESTION].replace("\0", " ").split())
    page = max(1, min(request.args.get("page", 1, type=int), _LAST_PAGE))
    if asked:
        found = replica.search(asked, ["companies"], most + 1)
        counted.tell_found(found=bool(found))
        return {"companies": found[:most], "asked": asked, "beyond": len(found) > most, "page": 1, "more": False}
    found, total = replica.list("companies", limit=_PAGE, offset=(page - 1) * _PAGE), replica.count("companies")
    return {"companies": found, "asked": "", "total": total, "page": page, "more": page * _PAGE < total}


@blueprint.get("/<key>")
def one(key: str) -> str:
    """Show one company: where it is, what it tells and what it offers."""
    house = visit.house()
    company = house.replica.get("companies", key) or abort(404)
    floor = house.replica.get("plans", str(company.get("floor") or "")) or {}
    room = next((place for place in floor.get("places", []) if place.get("id") == company.get("room")), None)
    known = {key, str(company.get("name"))}
    return render_template(
        "companies/one.html",
        company=company,
        floor=floor,
        room=room,
        leads=bool(room) and bool(ways.entrance(house.replica.list("plans"))),
        offers=[service for service in house.replica.list("services") if service.get("provider") == key],
        news=house.replica.of_company(key, _TOLD),
        events=[event for event in house.replica.events_from(house.now(), 200) if event.get("organiser") in known],
    )
