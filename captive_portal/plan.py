# SPDX-License-Identifier: EUPL-1.2
"""The plan of the park, drawn inside the page, with its places and who is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, render_template, request

from captive_portal import visit
from edge_core.web import drawing
from edge_core.web.templating import language

if TYPE_CHECKING:
    from markupsafe import Markup

blueprint = Blueprint("plan", __name__)
PREFIX = "/<lang:lang>/plan"


@blueprint.get("")
def index() -> str:
    """Show the first plan."""
    plans = _plans()
    return _show(plans, plans[0]) if plans else render_template("plan/index.html", plans=[], plan=None)


@blueprint.get("/<key>")
def one(key: str) -> str:
    """Show one plan; `?place=` marks a place on it."""
    plans = _plans()
    found = [plan for plan in plans if plan["id"] == key] or abort(404)
    return _show(plans, found[0])


def _plans() -> list[dict[str, Any]]:
    plans = visit.house().replica.list("plans")
    return sorted(plans, key=lambda plan: (plan.get("level") or 0, plan["id"]))


def _show(plans: list[dict[str, Any]], plan: dict[str, Any]) -> str:
    chosen = request.args.get("place", "")
    places = [{**place, "label": language().text(place.get("name"))} for place in plan.get("places", [])]
    marked = next((place for place in places if place.get("id") == chosen), None)
    tenants: dict[str, list[dict[str, Any]]] = {}
    for company in visit.house().replica.list("companies", limit=10_000):
        if company.get("floor") == plan["id"]:
            tenants.setdefault(str(company.get("room")), []).append(company)
    drawn = _draw(plan, places, chosen)
    return render_template(
        "plan/index.html", plans=plans, plan=plan, places=places, marked=marked, tenants=tenants, drawing=drawn
    )


def _draw(plan: dict[str, Any], places: list[dict[str, Any]], chosen: str) -> Markup | None:
    path = visit.house().replica.blob_path(str(plan.get("svg") or ""))
    try:
        svg = path.read_bytes() if path else b""
    except OSError:
        svg = b""
    label = language().text(plan.get("name"))
    return drawing.plan(svg, label, places, chosen)
