# SPDX-License-Identifier: EUPL-1.2
"""Makes the kernel agree with the store: reads the wish, keeps the fact, applies the difference, repairs the rules."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from edge_core import logs
from edge_core.netlink import NetlinkError
from edge_core.store import grants
from gateway_agent import reconcile, takeover
from gateway_agent.leases import LeasesFile
from gateway_agent.nft_elements import Table

if TYPE_CHECKING:
    import sqlite3

    from edge_core.settings import Settings
    from edge_core.store.grants import Grant
    from gateway_agent.nft_elements import Slot, Value

_log = logs.get(__name__)
_TRIES = 3
_CHANGED_UNDER_US = (errno.ERESTART, errno.ENOENT, errno.EEXIST)


class Enforcement:
    """The kernel's elements as last known. nftables' generation number tells when somebody else has changed them."""

    def __init__(self, settings: Settings, store: sqlite3.Connection) -> None:
        """Open the sockets; nothing is changed yet."""
        self._settings = settings
        self._store = store
        self._table = Table()
        self._leases = LeasesFile(settings.leases_file)
        self._fact: dict[Slot, Value] = {}
        self._generation: int | None = None
        self.active: list[Grant] = []
        """The grants that hold, as of the last look."""

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
        for attempt in range(_TRIES):
            self.active = grants.active(self._store, now)
            wanted = reconcile.wish(self.active, self._leases.current().values(), now)
            try:
                self._learn(wanted, now)
                return self._change(wanted, now)
            except NetlinkError as error:
                self._generation = None
                if error.errno not in _CHANGED_UNDER_US or attempt == _TRIES - 1:
                    raise
        return 0

    def _learn(self, wanted: dict[Slot, Value], now: float) -> None:
        """Read the kernel's elements again if anybody has changed nftables since our own last change."""
        generation = self._table.generation()
        if generation == self._generation:
            return
        if takeover.ensure_rules(self._settings, wanted):
            generation = self._table.generation()
        self._fact = self._table.elements(reconcile.SETS, now)
        self._generation = generation

    def _change(self, wanted: dict[Slot, Value], now: float) -> int:
        changes = reconcile.difference(self._fact, wanted, now)
        if changes and self._generation is not None:
            self._generation += self._table.apply(changes, now, self._generation)
        self._fact = reconcile.after(self._fact, changes, now)
        return len(changes)
