# SPDX-License-Identifier: EUPL-1.2
"""The plan of the park, drawn inside the page: its places, who is there, and the way to a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, render_template, request

from captive_portal import visit
from edge_core.store import ways
from edge_core.web import drawing
from edge_core.web.templating import language

if TYPE_CHECKING:
    from markupsafe import Markup

blueprint = Blueprint("plan", __name__)
PREFIX = "/<lang:lang>/plan"
_STEP_FREE = "1"
_Plans = list[dict[str, Any]]


@blueprint.get("")
def index() -> str:
    """Show the first plan."""
    plans = _plans()
    return _show(plans, plans[0]) if plans else render_template("plan/index.html", plans=[], plan=None)


@blueprint.get("/<key>")
def one(key: str) -> str:
    """Show one plan; `?place=` marks a place and the way to it, from the entrance or from `?from=`."""
    plans = _plans()
    found = [plan for plan in plans if plan["id"] == key] or abort(404)
    return _show(plans, found[0])


def in_order(plans: _Plans) -> _Plans:
    """Return plans from the lowest floor up."""
    return sorted(plans, key=lambda plan: (plan.get("level") or 0, plan["id"]))


def draw(plan: dict[str, Any]) -> Markup | None:
    """Return a plan as inline SVG with its places marked; None where its drawing isn't here."""
    return _draw(plan, _named(plan), "", [])


def _plans() -> _Plans:
    return in_order(visit.house().replica.list("plans"))


def _named(plan: dict[str, Any]) -> _Plans:
    return [{**place, "label": language().text(place.get("name"))} for place in plan.get("places", [])]


def _show(plans: _Plans, plan: dict[str, Any]) -> str:
    chosen = request.args.get("place", "")
    step_free = request.args.get("step-free") == _STEP_FREE
    places = _named(plan)
    named = {place.get("id"): language().text(place.get("name")) for each in plans for place in each.get("places", [])}
    start = request.args.get("from", "") or ways.entrance(plans)
    legs = ways.find(plans, start, chosen, step_free=step_free) if chosen else []
    marked = next((place for place in places if place.get("id") == chosen), None)
    return render_template(
        "plan/index.html",
        plans=plans,
        plan=plan,
        places=places,
        marked=marked,
        chosen=chosen,
        start=start,
        named=named,
        legs=legs,
        floors={each["id"]: each.get("name") for each in plans},
        step_free=step_free,
        tenants=_tenants(plan["id"]),
        drawing=_draw(plan, places, chosen, legs),
    )


def _tenants(plan: str) -> dict[str, list[dict[str, Any]]]:
    """Return the companies of a floor by the place where they are."""
    found: dict[str, list[dict[str, Any]]] = {}
    for company in visit.house().replica.list("companies", limit=10_000):
        if company.get("floor") == plan:
            found.setdefault(str(company.get("room")), []).append(company)
    return found


def _draw(plan: dict[str, Any], places: list[dict[str, Any]], chosen: str, legs: list[ways.Leg]) -> Markup | None:
    path = visit.house().replica.blob_path(str(plan.get("svg") or ""))
    try:
        svg = path.read_bytes() if path else b""
    except OSError:
        svg = b""
    label = language().text(plan.get("name"))
    return drawing.plan(svg, label, places, chosen, [leg.points for leg in legs if leg.plan == plan["id"]])
