# SPDX-License-Identifier: EUPL-1.2
"""Lets a device in, whatever way it came: one grant, the agent told, and a navigation that closes captive sheets."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import redirect, request, url_for

from captive_portal import guard, hosts, turns, visit
from edge_core import control, legal, logs
from edge_core.store import grants

if TYPE_CHECKING:
    import sqlite3

    from werkzeug import Response

    from edge_core.store.grants import Grant, Holder, Limits

_log = logs.get(__name__)
_PRE_GRANT = grants.Limits(rate_up=1000, rate_down=4000, quota=30_000_000)


def let_in(plan: str, seconds: float, limits: Limits, holder: Holder | None = None) -> Response:
    """Grant this device access, have the kernel told, and navigate to the page that says so."""
    grant(plan, seconds, limits, holder)
    query = {} if told() else {"wait": "1"}
    if wanted := guard.return_address():
        query |= {"to": wanted, "s": request.values.get("s", "")}
    return go(url_for("access.connected") + (f"?{urlencode(query)}" if query else ""))


def grant(plan: str, seconds: float, limits: Limits, holder: Holder | None) -> Grant:
    """Write the grant of this device, which the caller knows to be on the guests' network."""
    house, here = visit.house(), visit.current()
    legal.require_open(house.settings, house.now())
    mac, zone, now = here.client.mac or "", here.client.zone, house.now()

    def accept(store: sqlite3.Connection) -> Grant:
        return grants.accept(store, mac, plan, max(1, int(seconds)), now, limits=limits, holder=holder, zone=zone)

    with turns.aside():
        made = house.together.write(house.edge(), accept)  # a crowd that joins at once waits for few flushes
    _log.info("access_granted", session=made.session, plan=made.plan)
    return made


def pre_grant() -> None:
    """Open the way for minutes, for somebody who signs in or reads an e-mail; refuse (429) who does it all the time."""
    house, here = visit.house(), visit.current()
    if here.grant is None:
        guard.limit(house.limits.pre_grants)
        grant(grants.PRE_GRANT, house.settings.access.pre_grant, _PRE_GRANT, None)
        told()


def require_pre_grant() -> None:
    """Refuse (429) whom `pre_grant` would refuse, before anything else is done for them."""
    if visit.current().grant is None:
        guard.limit(visit.house().limits.pre_grants, count=False)


def told() -> bool:
    """Have the agent bring the kernel in line; True when it is. Without enforcement nobody has to be told."""
    settings = visit.house().settings
    with turns.aside():
        return settings.enforcement.mode == "none" or control.nudge(settings.agent_socket)


def go(path: str) -> Response:
    """Redirect by 302 to an absolute address of ours, as captive sheets need it."""
    header = request.environ.get("HTTP_HOST")
    base = request.host_url.rstrip("/") if hosts.split(header) else ""
    return redirect(base + path, 302)
