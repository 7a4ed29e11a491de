# SPDX-License-Identifier: EUPL-1.2
"""What a device has left: seeing it, making it last, ending it, the other devices of the same person, a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, make_response, render_template, request, url_for

from captive_portal import entry, guard, plans, visit, ways
from edge_core import logs
from edge_core.i18n import N_
from edge_core.store import grants, requests, site, usage, vouchers

if TYPE_CHECKING:
    from flask import Response
    from werkzeug import Response as BaseResponse

    from edge_core.store.grants import Grant

blueprint = Blueprint("status", __name__)
PREFIX = "/<lang:lang>"
_log = logs.get(__name__)
WARNED = 300.0  # seconds before the end from which people are warned
_NEARLY = 0.9  # of the data, from which people are warned
_LOOK_AGAIN = 120.0  # seconds between two looks where data is counted
_LONGEST, _UNREADABLE, _FORBIDDEN = 800, 422, 403


@blueprint.get("/status")
def page() -> Response:
    """Tell what the device has left. The page comes again by itself when there is something to say."""
    house, here = visit.house(), visit.current()
    grant = here.grant if here.online else None
    if grant is None:
        return make_response(render_template("status/page.html", grant=None))
    left, used = grant.remaining(house.now()), used_bytes(grant)
    shown = make_response(
        render_template(
            "status/page.html",
            grant=grant,
            plan=plans.by_id(ways.known(), grant.plan),
            left=left,
            share=left / max(1.0, grant.expires_at - grant.created_at),
            used=used,
            ending=left <= WARNED or bool(grant.quota and used >= _NEARLY * grant.quota),
            longer=longer(grant),
            others=_others(grant),
        )
    )
    shown.headers["Refresh"] = str(_refresh(left, counted=grant.quota is not None))
    return shown


def _refresh(left: float, *, counted: bool) -> int:
    """Return the seconds after which the page looks again: when the warning is due, then when it is over."""
    seconds = left - WARNED if left > WARNED else left
    return int(max(15.0, min(seconds, _LOOK_AGAIN) if counted else seconds)) + 1


def used_bytes(grant: Grant) -> int:
    """Return the bytes that are used of what a session has, in both directions, as gateways counted last."""
    edge = visit.house().edge()
    if grant.quota is not None and grant.is_shared and (whole := vouchers.quota_of(edge, grant.holder)) is not None:
        # Of what this session found, the other devices of its code use their part.
        together = usage.of_holder(edge, grant.holder) + site.used_elsewhere(edge, grant.holder)
        return max(0, grant.quota - max(0, whole - together))
    used = usage.of_grant(edge, grant.id)
    return used.up_bytes + used.down_bytes + site.used_elsewhere(edge, grant.session)


def longer(grant: Grant) -> float | None:
    """Return until when this session can be made to last by one tap; None where it can't."""
    plan = plans.by_id(ways.known(), grant.plan)
    return plan.extension(grant, visit.house().now()) if plan else None


def _others(grant: Grant) -> list[Grant]:
    """Return the sessions of the same person's other devices."""
    house = visit.house()
    return [each for each in grants.by_holder(house.edge(), grant.holder, house.now()) if each.id != grant.id]


@blueprint.get("/extend")
@blueprint.get("/logout")
@blueprint.get("/devices")
def again() -> BaseResponse:
    """Lead back whoever reloads the address of a form."""
    return entry.go(url_for("status.page"))


@blueprint.post("/extend")
def extend() -> BaseResponse:
    """Let this device's session last as long again, where its plan allows; a second tap changes nothing."""
    guard.check()
    house, here = visit.house(), visit.current()
    grant = here.grant
    until = longer(grant) if grant else None
    # "At most once more than it was": of two taps at the same moment one counts.
    if grant and until and grants.extend(house.edge(), grant.mac, until, grant.extended + 1, house.now()):
        _log.info("access_extended", session=grant.session, plan=grant.plan)
        entry.told()
    return entry.go(url_for("status.page"))


@blueprint.post("/logout")
def logout() -> BaseResponse:
    """End this device's access now."""
    guard.check()
    house, here = visit.house(), visit.current()
    if here.client.mac is not None:
        grants.end(house.edge(), here.client.mac, "logout", house.now())
        entry.told()
    return entry.go(url_for("status.page"))


@blueprint.post("/devices")
def end_other() -> BaseResponse:
    """End the session of another device of the same person."""
    guard.check()
    house, here = visit.house(), visit.current()
    for other in _others(here.grant) if here.grant else []:
        if other.session == request.form.get("session"):
            grants.end(house.edge(), other.mac, "logout", house.now())
            entry.told()
    return entry.go(url_for("status.page"))


@blueprint.get("/problem")
def problem_form() -> str:
    """Ask what is wrong."""
    return render_template("status/problem.html", given="", wrong="")


@blueprint.post("/problem")
def report() -> BaseResponse | tuple[str, int]:
    """Pass a report on to the people who run the park, with the state of the connection and nothing of the device."""
    house, here = visit.house(), visit.current()
    if here.client.mac is None:
        abort(_FORBIDDEN)
    guard.check()
    given = "".join(c if c.isprintable() or c == "\n" else " " for c in request.form.get("comment", "")).strip()
    if not given or len(given) > _LONGEST:
        wrong = N_("This is needed.") if not given else N_("This is too long.")
        return render_template("status/problem.html", given=given[:_LONGEST], wrong=wrong), _UNREADABLE
    guard.limit(house.limits.requests)
    data = {"comment": given, "connection": here.grant.plan if here.grant else "offline"}
    made = requests.create(
        house.edge(),
        kind="message",
        subject="problem",
        data=data,
        place="portal",
        now=house.now(),
        form=guard.filled_in("problem", data),
    )
    _log.info("request_recorded", request=made.id, kind="message")
    return entry.go(url_for("services.follow", key=made.id))
