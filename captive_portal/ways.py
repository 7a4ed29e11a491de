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
    """The plan of each way that is offered; None where it isn't."""

    click: Plan | None
    voucher: Plan | None
    sign_in: Plan | None
    mail: Plan | None

    @property
    def any(self) -> bool:
        """Whether there is any way at all."""
        return any((self.click, self.voucher, self.sign_in, self.mail))


def known() -> list[Plan]:
    """Return the park's plans, as far as they are offered in the zone of who asks."""
    house = visit.house()
    found = plans.read_all(house.replica.list("access", order="id"), house.settings.access.duration)
    here = visit.current().client.zone
    offered = next((zone.plans for zone in house.settings.zones if zone.id == here), ())
    return [plan for plan in found if plan.id in offered] if offered else found


def plan(way: str) -> Plan | None:
    """Return the plan of one way, where it is offered."""
    settings = visit.house().settings
    possible = {plans.SIGN_IN: bool(settings.sign_in.issuer), plans.MAIL: bool(settings.mail.server)}
    return plans.for_way(known(), way) if possible.get(way, True) else None


def offered() -> Ways:
    """Return all ways; codes are asked for only where there are some."""
    found = {way: plan(way) for way in (plans.CLICK, plans.SIGN_IN, plans.MAIL)}
    voucher = plan(plans.VOUCHER) if _any_voucher() else None
    return Ways(found[plans.CLICK], voucher, found[plans.SIGN_IN], found[plans.MAIL])


def _any_voucher() -> bool:
    house = visit.house()
    try:
        return bool(house.settings.site.key) or vouchers.any_left(house.edge(), house.now())
    except StoreError:
        return False
