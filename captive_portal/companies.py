# SPDX-License-Identifier: EUPL-1.2
"""The directory of the companies that work here: search by form, one page each."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request

from captive_portal import visit

blueprint = Blueprint("companies", __name__)
PREFIX = "/<lang:lang>/companies"
_PAGE = 60
_LONGEST_QUESTION = 80
_LAST_PAGE = 1000


@blueprint.get("")
def index() -> str:
    """List companies by name, a page at a time, or those that match what is asked."""
    replica = visit.house().replica
    asked = " ".join(request.args.get("q", "")[:_LONGEST_QUESTION].replace("\0", " ").split())
    page = min(request.args.get("page", 1, type=int), _LAST_PAGE)
    page = max(page, 1)
    total = replica.count("companies")
    found = (
        replica.search(asked, ["companies"], _PAGE)
        if asked
        else replica.list("companies", limit=_PAGE, offset=(page - 1) * _PAGE)
    )
    more = not asked and page * _PAGE < total
    return render_template("companies/index.html", companies=found, asked=asked, total=total, page=page, more=more)


@blueprint.get("/<key>")
def one(key: str) -> str:
    """Show one company, where it is, and what it offers."""
    replica = visit.house().replica
    company = replica.get("companies", key) or abort(404)
    floor = replica.get("plans", str(company.get("floor") or "")) or {}
    room = next((place for place in floor.get("places", []) if place.get("id") == company.get("room")), None)
    offers = [service for service in replica.list("services") if service.get("provider") == key]
    return render_template("companies/one.html", company=company, floor=floor, room=room, offers=offers)
