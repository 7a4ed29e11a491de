# SPDX-License-Identifier: EUPL-1.2
"""The page of a company: what it does, where it is on the plan, how to reach it."""

from __future__ import annotations

from flask import Blueprint, abort, render_template

from kiosk import plan
from kiosk.here import content

routes = Blueprint("company", __name__)


@routes.get("/<view:view>/company/<key>")
def page(key: str) -> str:
    """Show one company."""
    company = content().get("companies", key) or abort(404)
    services = [service for service in content().list("services") if service.get("provider") == key]
    sheet = plan.sheet(company.get("floor"), company.get("room"))
    return render_template("company.html", company=company, services=services, sheet=sheet)
