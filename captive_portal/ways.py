# SPDX-License-Identifier: EUPL-1.2
"""Which ways of going online this park offers now, from its content and this device's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from captive_portal import plans, visit
from edge_core.errors import StoreError
from edge_core.store import vouchers

if TYPE_CHECKING:
    from captive_portal.plans import Plan


@dataclass(frozen=True)
class Ways:
    """The plan of the one tap, None where it isn't offered, and the names of the other ways that are."""

    click: Plan | None
    others: tuple[str, ...]


def known() -> list[Plan]:
    """Return the park's plans, as far as they are offered in the zone of who asks."""
    house = visit.house()
    found = plans.read_all(house.replica.list("access", order="id"), house.settings.access.duration)
    here = visit.current().client.zone
    offered = next((zone.plans for zone in house.settings.zones if zone.id == here), ())
    return [plan for plan in found if plan.id in offered] if offered else found


def plan(way: str) -> Plan | None:
    """Return the plan of one way, where it is offered."""
    return plans.for_way(known(), way) if _is_possible(way) else None


def offered() -> Ways:
    """Return all ways; codes are asked for only where there are some."""
    there = known()
    others = (plans.SIGN_IN, plans.VOUCHER, plans.MAIL)
    found = [way for way in others if plans.for_way(there, way) and _is_possible(way)]
    if plans.VOUCHER in found and not _any_voucher():
        found.remove(plans.VOUCHER)
    return Ways(plans.for_way(there, plans.CLICK), tuple(found))


def _is_possible(way: str) -> bool:
    settings = visit.house().settings
    return {plans.SIGN_IN: bool(settings.sign_in.issuer), plans.MAIL: bool(settings.mail.server)}.get(way, True)


def _any_voucher() -> bool:
    house = visit.house()
    try:
        return bool(house.settings.site.key) or vouchers.any_left(house.edge(), house.now())
    except StoreError:
        return False
