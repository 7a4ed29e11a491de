# SPDX-License-Identifier: EUPL-1.2
"""Keeps the wished elements up to date at the cost of what has changed, not of how many guests there are; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway_agent import reconcile
from gateway_agent.leases import Lease

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from ipaddress import IPv4Address

    from edge_core.store.grants import Grant
    from gateway_agent.nft_elements import Slot, Value


class Wishes:
    """All grants that hold, the addresses of their devices, and the elements that follow from both."""

    def __init__(self) -> None:
        """Nobody is wished to be online."""
        self.grants: dict[int, Grant] = {}
        self.elements: dict[Slot, Value] = {}
        self._by_mac: dict[str, Grant] = {}
        self._slots: dict[str, list[Slot]] = {}
        self._addresses: dict[str, frozenset[IPv4Address]] = {}

    def stale(self, ends: Mapping[int, float], now: float) -> tuple[set[int], set[int]]:
        """Return the ids of grants to fetch (new, or with another end) and of those that are over."""
        fetch = {
            number
            for number, end in ends.items()
            if end > now and (number not in self.grants or self.grants[number].expires_at != end)
        }
        over = {number for number in self.grants if ends.get(number, 0.0) <= now}
        return fetch, over

    def update(
        self,
        fresh: Iterable[Grant],
        over: Iterable[int],
        addresses: Mapping[str, frozenset[IPv4Address]] | None,
        now: float,
    ) -> set[Slot]:
        """Take in grants, their ends, and (where it changed) who holds which addresses; return the slots concerned."""
        macs = set()
        for number in over:
            grant = self.grants.pop(number)
            macs.add(grant.mac)
            if self._by_mac.get(grant.mac) is grant:
                del self._by_mac[grant.mac]
        for grant in fresh:
            self.grants[grant.id] = self._by_mac[grant.mac] = grant
            macs.add(grant.mac)
        if addresses is not None:
            macs |= {mac for mac, _ in self._addresses.items() ^ addresses.items()}
            self._addresses = dict(addresses)
        touched: set[Slot] = set()
        for mac in macs:
            touched |= self._again(mac, now)
        return touched

    def _again(self, mac: str, now: float) -> set[Slot]:
        before = self._slots.pop(mac, [])
        for slot in before:
            self.elements.pop(slot, None)
        grant = self._by_mac.get(mac)
        if grant is None:
            return set(before)
        leases = [Lease(mac, address, float("inf")) for address in self._addresses.get(mac, ())]
        wanted = reconcile.wish([grant], leases, now)
        self.elements.update(wanted)
        self._slots[mac] = list(wanted)
        return {*before, *wanted}


def holders(leases: Iterable[Lease], now: float) -> dict[str, frozenset[IPv4Address]]:
    """Return the addresses that each MAC holds at `now`."""
    found: dict[str, set[IPv4Address]] = {}
    for lease in leases:
        if lease.ends_at > now:
            found.setdefault(lease.mac, set()).add(lease.address)
    return {mac: frozenset(held) for mac, held in found.items()}
