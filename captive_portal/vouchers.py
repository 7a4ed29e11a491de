# SPDX-License-Identifier: EUPL-1.2
"""Going online by a code, of a voucher or a ticket. Who comes back with it elsewhere takes the session along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, render_template, request, url_for

from captive_portal import entry, guard, plans, seal, visit, ways
from edge_core import logs, site_codes
from edge_core.i18n import N_
from edge_core.store import site, usage, vouchers
from edge_core.store.grants import Limits

if TYPE_CHECKING:
    from werkzeug import Response

    from edge_core.store.vouchers import Voucher

blueprint = Blueprint("vouchers", __name__)
PREFIX = ""
_log = logs.get(__name__)
_UNREADABLE, _FORBIDDEN = 422, 403
_KIOSKS = "kiosks"
_LONGEST = 40  # characters of a code, however it is written
REFUSALS = {
    "empty": N_("Write the code of your voucher or ticket."),
    "unknown": N_("This code isn’t known here. Check its letters and digits."),
    "late": N_("This code was to be used before today. Ask reception for another one."),
    "over": N_("The time of this code is over. Ask reception for another one."),
    "spent": N_("The data of this code is used up. Ask reception for another one."),
    "revoked": N_("This code was withdrawn. Ask reception why."),
    "closed": N_("This code doesn’t open the WiFi at this hour."),
}


@blueprint.get("/v/<code>")
def scanned(code: str) -> Response:
    """Lead whoever scanned a QR code to the form, in their language."""
    return entry.go(url_for("vouchers.page", code=code[:_LONGEST]))


@blueprint.get("/<lang:lang>/voucher", endpoint="page")
def form() -> str:
    """Show the form, filled in for who scanned a code: a mere look uses nothing."""
    return _show(request.args.get("code", "")[:_LONGEST], "")


@blueprint.post("/<lang:lang>/voucher")
def use() -> Response | tuple[str, int]:
    """Let this device in for what its code has left."""
    house, here = visit.house(), visit.current()
    if here.client.mac is None:
        return render_template("access/elsewhere.html"), _FORBIDDEN
    guard.check()
    guard.limit(house.limits.guesses, count=False)
    given = request.form.get("code", "")
    found = _known(given)
    refusal = _refusal(found, given)
    if refusal or found is None:
        if refusal == "unknown":
            guard.limit(house.limits.guesses)
        _log.info("code_refused", reason=refusal)
        return _show(given[:_LONGEST], REFUSALS[refusal]), _UNREADABLE
    return _let_in(found)


def _known(given: str) -> Voucher | None:
    """Return the voucher of a code: one made here, or by a kiosk of the site, whose signature is believed once."""
    house, now = visit.house(), visit.house().now()
    found = vouchers.find(house.edge(), house.voucher_key, given) or _made_before(given)
    key = site_codes.load(house.settings.site.key) if found is None else None
    plan = plans.for_way(ways.known(), plans.VOUCHER) if key else None
    if key is None or plan is None or not site_codes.check(key, house.settings.site.id, given, now):
        return found
    vouchers.admit(
        house.edge(),
        house.voucher_key,
        given,
        batch=_KIOSKS,
        plan=plan.id,
        seconds=plan.seconds,
        limits=plan.limits,
        devices=plan.devices,
        valid_until=now + site_codes.DAY,
        now=now,
        site=house.settings.site.gateway_key is not None,
    )
    return vouchers.find(house.edge(), house.voucher_key, given)


def _made_before(given: str) -> Voucher | None:
    """Return the voucher of a code made before the site's gateways shared a key: it counts here alone."""
    house = visit.house()
    path = seal.own_key(house.settings)
    if house.settings.site.gateway_key is None or not path.exists():
        return None
    return vouchers.find(house.edge(), seal.load(path).derive(seal.VOUCHERS), given)


def _refusal(found: Voucher | None, given: str) -> str:
    """Return why a code opens nothing, "" where it does."""
    now = visit.house().now()
    if found is None:
        return "unknown" if vouchers.normal(given) else "empty"
    state = found.state(now)
    if state not in {"new", "used"}:
        return state
    if _bytes_left(found) == 0:
        return "spent"
    return "" if _seconds(found) else "closed"


def _let_in(found: Voucher) -> Response:
    house = visit.house()
    seconds = _seconds(found)
    vouchers.use(house.edge(), found, house.now())
    limits = Limits(found.rate_up, found.rate_down, _bytes_left(found))
    return entry.let_in(found.plan, seconds, limits, found.holder)


def _seconds(found: Voucher) -> float:
    """Return the seconds that a device has from now on: what the code has left, and not past the plan's hours."""
    now = visit.house().now()
    plan = plans.by_id(ways.known(), found.plan)
    until = plan.until(now) if plan and plan.hours else now + found.left(now)
    return 0.0 if until is None else min(found.left(now), until - now)


def _bytes_left(found: Voucher) -> int | None:
    if found.quota is None:
        return None
    edge, holder = visit.house().edge(), found.holder.key
    return max(0, found.quota - usage.of_holder(edge, holder) - site.used_elsewhere(edge, holder))


def _show(code: str, wrong: str) -> str:
    return render_template("access/voucher.html", code=code, wrong=wrong)
