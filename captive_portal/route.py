# SPDX-License-Identifier: EUPL-1.2
"""The page under a way that a kiosk gave to a phone: all floors, the same for everybody.

The way itself stands in the address's fragment, which no browser sends: `static/route.js` draws it, and nobody learns
who goes where. `FLOOR:START:END:BY:X,Y,X,Y,…`, one for each floor, with ";" between them (kiosk/plan.py).
"""

from __future__ import annotations

from flask import Blueprint, render_template

from captive_portal import plan, visit

blueprint = Blueprint("route", __name__)
PREFIX = "/<lang:lang>/way"


@blueprint.get("")
def page() -> str:
    """Show every floor; without a script, or without a way, they are to be looked through."""
    plans = plan.in_order(visit.house().replica.list("plans"))
    return render_template("plan/route.html", floors=[(each, plan.draw(each)) for each in plans])
