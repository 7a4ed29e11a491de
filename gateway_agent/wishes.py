# SPDX-License-Identifier: EUPL-1.2
"""Keeps what each device is to have up to date at the cost of what has changed, not of how many there are; pure."""

from __future__ import annotations

import heapq
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from edge_core.settings_zones import FIRST
from gateway_agent.nft_elements import Value, key_mac
from gateway_agent.nft_ruleset import GRANT_MASK, LIVE, SHAPED
from gateway_agent.reconcile import Held
from gateway_agent.shaping import Lane

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge_core.leases import Lease
    from edge_core.settings_sections import Zone
    from edge_core.store.followed import Permit

_MINORS = 0xFFF0  # classes that an interface may have, some left for others
_NONE: frozenset[bytes] = frozenset()


class Wishes:
    """All grants that hold, and the addresses of their devices."""

    def __init__(self, zones: Sequence[Zone] = ()) -> None:
        """Nobody is wished to be online. With several `zones` a grant holds in its own alone."""
        self._zones = {zone.id: zone for zone in zones} if len(zones) > 1 else {}
        self.grants: dict[int, Permit] = {}
        self._by_mac: dict[str, Permit] = {}
        self._addresses: Mapping[str, frozenset[bytes]] = {}
        self._ends: list[tuple[float, int]] = []
        self._held: dict[str, Held] = {}
        self._lanes: dict[int, Lane] = {}
        self._taken: set[int] = set()

    def update(
        self, changed: Iterable[Permit], addresses: Mapping[str, frozenset[bytes]] | None, now: float
    ) -> set[str]:
        """Take in grants that changed and (where it did) who holds which addresses; return the MACs concerned.

        What runs out by `now` is found here; nobody has to tell it.
        """
        macs: set[str] = set()
        for permit in changed:
            self._drop(permit.id, macs)
            known = permit.zone in self._zones or (not self._zones and permit.zone == FIRST)
            if permit.ended_at is None and permit.expires_at > now and 0 < permit.id <= GRANT_MASK and known:
                self._take(permit, macs)
        while self._ends and self._ends[0][0] <= now:
            _, number = heapq.heappop(self._ends)
            if number in self.grants and self.grants[number].expires_at <= now:
                self._drop(number, macs)
        if addresses is not None:
            macs |= {mac for mac, _ in self._addresses.items() ^ addresses.items() if mac in self._by_mac}
            self._addresses = addresses
        for mac in macs:
            if mac in self._by_mac:
                self._held[mac] = self._make(self._by_mac[mac])
            else:
                self._held.pop(mac, None)
        return macs

    def held(self, mac: str) -> Held | None:
        """Return what a device is to have; None where it has no grant."""
        return self._held.get(mac)

    def all(self) -> dict[str, Held]:
        """Return what each device is to have, by its MAC."""
        return dict(self._held)

    def _make(self, permit: Permit) -> Held:
        lane = self._lanes.get(permit.id)
        value = Value((LIVE | SHAPED if lane else LIVE) | permit.id, permit.expires_at)
        addresses = self._addresses.get(permit.mac, _NONE)
        if not self._zones:
            return Held(value, key_mac(permit.mac), addresses, lane)
        network = self._zones[permit.zone].ipv4.network
        here = frozenset(each for each in addresses if IPv4Address(each) in network)
        return Held(value, key_mac(permit.mac), here, lane, self._away(permit))

    def _away(self, permit: Permit) -> str:
        return "" if permit.zone == FIRST else self._zones[permit.zone].interface

    def _take(self, permit: Permit, macs: set[str]) -> None:
        older = self._by_mac.get(permit.mac)
        if older is not None:
            self._drop(older.id, macs)
        if permit.rate_up or permit.rate_down:
            minor = self._free_minor(permit.id)
            self._lanes[permit.id] = Lane(minor, permit.rate_up or 0, permit.rate_down or 0, self._away(permit))
            self._taken.add(minor)
        self.grants[permit.id] = self._by_mac[permit.mac] = permit
        heapq.heappush(self._ends, (permit.expires_at, permit.id))
        macs.add(permit.mac)

    def _free_minor(self, number: int) -> int:
        """Return a class by the grant's id, so that a restart finds nearly all as they are."""
        for offset in range(_MINORS):
            minor = (number + offset) % _MINORS + 1
            if minor not in self._taken:
                return minor
        return _MINORS  # all are taken: two sessions share one

    def _drop(self, number: int, macs: set[str]) -> None:
        permit = self.grants.pop(number, None)
        if permit is None:
            return
        macs.add(permit.mac)
        if lane := self._lanes.pop(number, None):
            self._taken.discard(lane.minor)
        if self._by_mac.get(permit.mac) is permit:
            del self._by_mac[permit.mac]


def holders(leases: Iterable[Lease], now: float) -> dict[str, frozenset[bytes]]:
    """Return the addresses that each MAC holds at `now`."""
    found: dict[str, list[bytes]] = {}
    for lease in leases:
        if lease.ends_at > now:
            found.setdefault(lease.mac, []).append(lease.address.packed)
    return {mac: frozenset(held) for mac, held in found.items()}
