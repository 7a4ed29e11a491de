# SPDX-License-Identifier: EUPL-1.2
"""Going online by one tap on the terms, and the page that follows whatever way somebody came in."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Blueprint, make_response, render_template, request, url_for

from captive_portal import entry, guard, plans, shared_parts, visit, ways
from edge_core.web import dates
from edge_core.web.templating import language

if TYPE_CHECKING:
    from flask import Response
    from werkzeug import Response as BaseResponse

blueprint = Blueprint("access", __name__)
PREFIX = "/<lang:lang>"
_SOON = 3  # seconds until a page looks again whether the way is open
_FORBIDDEN = 403


@blueprint.get("/accept")
def accept_again() -> BaseResponse:
    """Lead back whoever reloads the address of the form."""
    return entry.go(url_for("welcome.page"))


@blueprint.post("/accept")
def accept() -> BaseResponse | tuple[str, int]:
    """Let this device in by the plan of the one tap, where the park has one and it is open now."""
    house, here = visit.house(), visit.current()
    if here.client.mac is None:
        return render_template("access/elsewhere.html"), _FORBIDDEN
    guard.check()
    plan = ways.plan(plans.CLICK)
    until = plan.until(house.now()) if plan else None
    if plan is None or until is None:
        return closed(plan)
    return entry.let_in(plan.id, until - house.now(), plan.limits)


def closed(plan: plans.Plan | None) -> tuple[str, int]:
    """Say that this way isn't open: not at this hour, or not at all."""
    opens = plan.opens(visit.house().now()) if plan else None
    return render_template("access/closed.html", opens=dates.here(opens) if opens else None), _FORBIDDEN


@blueprint.get("/connected")
def connected() -> BaseResponse | Response:
    """Say that the device is online, then go back to the page that was first asked for.

    By a Refresh header and not by a redirect: a form's redirect to another site is refused by our own form-action.
    """
    house, here = visit.house(), visit.current()
    if here.grant is None or not here.online:
        return entry.go(url_for("welcome.page"))
    waiting = "wait" in request.args and not entry.told()
    wanted = guard.return_address()
    left = dates.duration(here.grant.remaining(house.now()), language())
    page = make_response(
        shared_parts.page(
            "access/connected.html",
            (waiting, left),
            {"wanted": wanted, "wanted_host": urlsplit(wanted).netloc},
            waiting=waiting,
            left=left,
        )
    )
    if waiting:
        page.headers["Refresh"] = str(_SOON)
    elif wanted:
        page.headers["Refresh"] = f"0; url={wanted}"
    return page
