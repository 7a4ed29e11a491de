# SPDX-License-Identifier: EUPL-1.2
"""Makes the kernel agree with the store: follows the wish, knows the fact, applies the difference, repairs rules."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from edge_core.netlink import NetlinkError
from edge_core.store import grants
from gateway_agent import reconcile, takeover
from gateway_agent.leases import LeasesFile
from gateway_agent.nft_elements import Table
from gateway_agent.wishes import Wishes, holders

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection
    from ipaddress import IPv4Address

    from edge_core.settings import Settings
    from edge_core.store.grants import Grant
    from gateway_agent.leases import Lease
    from gateway_agent.nft_elements import Slot, Value

_TRIES = 3
_LEASES_SECONDS = 60.0
_CHANGED_UNDER_US = (errno.ERESTART, errno.ENOENT, errno.EEXIST)


class Enforcement:
    """The kernel's elements as last known. nftables' generation number tells when somebody else has changed them."""

    def __init__(self, settings: Settings, store: sqlite3.Connection) -> None:
        """Open the sockets; nothing is changed yet."""
        self._settings = settings
        self._store = store
        self._table = Table()
        self._leases = LeasesFile(settings.leases_file)
        self._leased: dict[IPv4Address, Lease] | None = None
        self._leases_due = 0.0
        self._wishes = Wishes()
        self._fact: dict[Slot, Value] = {}
        self._pending: set[Slot] = set()
        self._generation: int | None = None

    @property
    def active(self) -> Collection[Grant]:
        """The grants that hold, as of the last look."""
        return self._wishes.grants.values()

    def close(self) -> None:
        """Close the sockets; rules and elements stay."""
        self._table.close()

    def addresses(self) -> dict[str, str]:
        """Return a leased address of each MAC."""
        return {lease.mac: str(lease.address) for lease in self._leases.current().values()}

    def reconcile(self, now: float) -> int:
        """Make the elements what the store wishes at `now`; return the number of changes.

        Raises NetworkError or NetlinkError where the kernel refuses, StoreError where the store can't be read.
        """
        # What could not be done stays pending: a failure here is made good by the next call.
        self._pending |= self._follow_wish(now)
        for attempt in range(_TRIES):
            try:
                self._learn(now)
                return self._change(now)
            except NetlinkError as error:
                self._generation = None
                if error.errno not in _CHANGED_UNDER_US or attempt == _TRIES - 1:
                    raise
        return 0

    def _follow_wish(self, now: float) -> set[Slot]:
        """Take in what changed in the store and the leases; return the slots concerned."""
        fetch, over = self._wishes.stale(grants.open_ends(self._store), now)
        leased, addresses = self._leases.current(), None
        if leased is not self._leased or not self._leases_due > now:
            addresses = holders(leased.values(), now)
            ends = (lease.ends_at for lease in leased.values() if lease.ends_at > now)
            self._leases_due = min(ends, default=now + _LEASES_SECONDS)
            self._leased = leased
        return self._wishes.update(grants.some(self._store, fetch), over, addresses, now)

    def _learn(self, now: float) -> None:
        """Read the kernel's elements again if anybody has changed nftables since our own last change."""
        generation = self._table.generation()
        if generation == self._generation:
            return
        if takeover.ensure_rules(self._settings, self._wishes.elements):
            generation = self._table.generation()
        self._fact = self._table.elements(reconcile.SETS, now)
        self._pending = {*self._fact, *self._wishes.elements}
        self._generation = generation

    def _change(self, now: float) -> int:
        """Make right the slots that are pending."""
        fact = {slot: self._fact[slot] for slot in self._pending if slot in self._fact}
        wanted = {slot: self._wishes.elements[slot] for slot in self._pending if slot in self._wishes.elements}
        changes = reconcile.difference(fact, wanted, now)
        if changes and self._generation is not None:
            self._generation += self._table.apply(changes, now, self._generation)
        reconcile.note(self._fact, self._pending, reconcile.after(fact, changes, now))
        self._pending = set()
        return len(changes)
