# SPDX-License-Identifier: EUPL-1.2
"""Decides what must change in the kernel: pure functions of the wish (grants, leases), the fact (elements) and now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway_agent.nft_elements import Change, Slot, Value, key4, key6, key_live
from gateway_agent.nft_ruleset import LIVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from ipaddress import IPv4Address

    from edge_core.store.grants import Grant
    from gateway_agent.leases import Lease

SETS = ("grant4", "grant6", "live")
_TOLERANCE = 2.0
"""Seconds by which an element's end may differ from its grant's before it is renewed: reading takes time too."""


def wish(grants: Iterable[Grant], leases: Iterable[Lease], now: float) -> dict[Slot, Value]:
    """Return the elements that ought to be there: per grant its mark, its MAC, and each address leased to that MAC."""
    addresses: dict[str, list[IPv4Address]] = {}
    for lease in leases:
        if lease.ends_at > now:
            addresses.setdefault(lease.mac, []).append(lease.address)
    wanted: dict[Slot, Value] = {}
    for grant in grants:
        if not 0 < grant.id < LIVE or grant.remaining(now) <= 0:
            continue
        value = Value(LIVE | grant.id, grant.expires_at)
        wanted[key_live(value.mark)] = value
        wanted[key6(grant.mac)] = value
        for address in addresses.get(grant.mac, ()):
            wanted[key4(grant.mac, address)] = value
    return wanted


def difference(fact: Mapping[Slot, Value], wanted: Mapping[Slot, Value], now: float) -> list[Change]:
    """Return the changes that make `fact` into `wanted`; what has run out by itself needs none."""
    changes = [Change(slot, None) for slot, value in fact.items() if slot not in wanted and value.expires_at > now]
    for slot, value in wanted.items():
        present = fact.get(slot)
        if present is None or present.expires_at <= now:
            changes.append(Change(slot, value))
        elif present.mark != value.mark or abs(present.expires_at - value.expires_at) > _TOLERANCE:
            changes.append(Change(slot, value, replace=True))
    return changes


def after(fact: Mapping[Slot, Value], changes: Iterable[Change], now: float) -> dict[Slot, Value]:
    """Return the elements that are there once `changes` were made."""
    result = {slot: value for slot, value in fact.items() if value.expires_at > now}
    for slot, value, _ in changes:
        if value is None:
            result.pop(slot, None)
        else:
            result[slot] = value
    return result


def note(fact: dict[Slot, Value], slots: Iterable[Slot], now_there: Mapping[Slot, Value]) -> None:
    """Write into `fact` what is `now_there` of `slots`."""
    for slot in slots:
        if slot in now_there:
            fact[slot] = now_there[slot]
        else:
            fact.pop(slot, None)
