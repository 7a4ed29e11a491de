# SPDX-License-Identifier: EUPL-1.2
"""Going online and offline: accepting the terms, what follows, what is left, logging out."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, make_response, redirect, render_template, request, url_for

from captive_portal import guard, hosts, visit
from edge_core import control, logs
from edge_core.store import grants

if TYPE_CHECKING:
    from flask import Response
    from werkzeug import Response as BaseResponse

blueprint = Blueprint("access", __name__)
PREFIX = "/<lang:lang>"
_log = logs.get(__name__)
_PLAN = "click-through"
_SOON = 3  # seconds until a page looks again whether the way is open


@blueprint.get("/accept")
def accept_again() -> BaseResponse:
    """Lead back whoever reloads the address of the form."""
    return _go(url_for("welcome.page"))


@blueprint.post("/accept")
def accept() -> BaseResponse | tuple[str, int]:
    """Grant this device access, have the kernel told, and navigate: the navigation is what closes captive sheets."""
    house, here = visit.house(), visit.current()
    if here.client.mac is None:
        return render_template("access/elsewhere.html"), 403
    guard.check()
    grant = grants.accept(house.edge(), here.client.mac, _PLAN, house.settings.access.duration, house.now())
    _log.info("access_granted", session=grant.session, plan=grant.plan)
    query = {"wait": "1"} if not _told() else {}
    if wanted := guard.return_address():
        query |= {"to": wanted, "s": request.values.get("s", "")}
    return _go(url_for("access.connected") + (f"?{urlencode(query)}" if query else ""))


@blueprint.get("/connected")
def connected() -> BaseResponse | Response:
    """Say that the device is online, then go back to the page that was first asked for.

    By a Refresh header and not by a redirect: a form's redirect to another site is refused by our own form-action.
    """
    house, here = visit.house(), visit.current()
    if here.grant is None:
        return _go(url_for("welcome.page"))
    waiting = "wait" in request.args and not _told()
    wanted = guard.return_address()
    page = make_response(
        render_template(
            "access/connected.html",
            waiting=waiting,
            wanted=wanted,
            wanted_host=urlsplit(wanted).netloc,
            left=here.grant.remaining(house.now()),
        )
    )
    if waiting:
        page.headers["Refresh"] = str(_SOON)
    elif wanted:
        page.headers["Refresh"] = f"0; url={wanted}"
    return page


@blueprint.get("/status")
def status() -> str:
    """Tell what the device has left, and let it leave."""
    house, here = visit.house(), visit.current()
    grant = here.grant
    return render_template(
        "access/status.html",
        left=grant.remaining(house.now()) if grant else 0,
        until=grant.expires_at if grant else 0,
        share=grant.remaining(house.now()) / max(1.0, grant.expires_at - grant.created_at) if grant else 0,
    )


@blueprint.get("/logout")
def logout_again() -> BaseResponse:
    """Lead back whoever reloads the address of the form."""
    return _go(url_for("access.status"))


@blueprint.post("/logout")
def logout() -> BaseResponse:
    """End this device's access now."""
    guard.check()
    house, here = visit.house(), visit.current()
    if here.client.mac is not None:
        grants.end(house.edge(), here.client.mac, "logout", house.now())
        _told()
    return _go(url_for("access.status"))


def _told() -> bool:
    """Have the agent bring the kernel in line; True when it is. Without enforcement nobody has to be told."""
    settings = visit.house().settings
    return settings.enforcement.mode == "none" or control.nudge(settings.agent_socket)


def _go(path: str) -> BaseResponse:
    """Redirect by 302 to an absolute address of ours, as captive sheets need it."""
    header = request.environ.get("HTTP_HOST")
    base = request.host_url.rstrip("/") if hosts.split(header) else ""
    return redirect(base + path, 302)
