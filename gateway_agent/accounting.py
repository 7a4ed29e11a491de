# SPDX-License-Identifier: EUPL-1.2
"""Counts what sessions use, keeps it across a kill, and tells each session's end once its flows are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_core import clock, logs
from edge_core.store import followed, usage
from gateway_agent.conntrack import Conntrack
from gateway_agent.ledger import Ledger

if TYPE_CHECKING:
    import sqlite3

    from edge_core.settings import Settings
    from edge_core.store.usage import Usage

_log = logs.get(__name__)
_RECORD_SECONDS = 10.0
"""Between two writes of totals to edge.db; only a power cut loses what came after the last."""

_FEW = 8
"""Sessions up to which each is asked for alone; beyond, one reading of all flows is cheaper."""
_MOST = 1000
"""Sessions that end in one transaction."""


class Accounting:
    """The tally of this namespace's flows, its ledger and the store's usage table."""

    def __init__(self, settings: Settings, store: sqlite3.Connection) -> None:
        """Open the connection table and take up the tally where the last agent left it."""
        self._store = store
        self._conntrack = Conntrack()
        self._ledger = Ledger(settings.run_dir, clock.boot_id())
        self._tally = self._ledger.tally(usage.load(store))
        self._unrecorded: set[int] = set()
        self._record_at = 0.0

    def close(self) -> None:
        """Close the sockets and the ledger."""
        self._conntrack.close()
        self._ledger.close()

    def fileno(self) -> int:
        """Return the descriptor on which ends of flows arrive."""
        return self._conntrack.fileno()

    def total(self, grant: int) -> Usage:
        """Return what a grant has used as far as was seen."""
        return self._tally.totals.get(grant, usage.Usage())

    def follow(self) -> None:
        """Count the flows that have ended, and keep that."""
        self._take_ends()
        self._keep()

    def look(self, now: float, *, live: bool = True) -> None:
        """Read all flows, count their growth, keep it; write totals to the store from time to time."""
        shown = self._tally.look(self._conntrack.flows(live=live))
        self._take_ends()
        self._tally.forget_others(shown)
        self._keep()
        if now >= self._record_at or now < self._record_at - _RECORD_SECONDS:
            self.record(now)

    def record(self, now: float) -> None:
        """Write the totals that grew to the store. Raises StoreError; then they are written the next time."""
        rows = [(grant, self.total(grant)) for grant in followed.known(self._store, self._unrecorded)]
        if rows:
            usage.record(self._store, rows, now)
        self._unrecorded.clear()
        self._record_at = now + _RECORD_SECONDS

    def close_sessions(self, now: float) -> int:
        """End the flows of sessions that are over and tell their usage, once each; return how many.

        Many at once share a reading of the table and a transaction; a bounded number, so that others get their turn.
        """
        over = followed.over(self._store, now, _MOST)
        if not over:
            return 0
        ids = {grant.id for grant in over}
        self._count_before(ids)
        self._conntrack.end(ids)
        self._take_ends()
        for grant in usage.close(self._store, [(grant, self.total(grant.id)) for grant in over], now):
            _log.info("session_ended", session=grant.session, reason=grant.end_reason or "expired")
        self._tally.close(ids)
        self._unrecorded -= ids
        self._ledger.forget(ids)
        return len(over)

    def end_behind(self, addresses: set[bytes]) -> None:
        """End guests' flows that leave under one of these addresses (packed); what they carried is counted."""
        self._conntrack.end_behind(addresses)
        self._take_ends()

    def spent(self, grant: int) -> int:
        """Return the bytes that a grant has used in both directions, as far as was seen."""
        used = self.total(grant)
        return used.up_bytes + used.down_bytes

    def _count_before(self, ids: set[int]) -> None:
        """Keep the counts of flows about to be deleted: killed between that and the session's end, none is lost."""
        if len(ids) > _FEW:
            self._tally.see(self._conntrack.flows(live=False))
        else:
            for grant in ids:
                self._tally.see(self._conntrack.flows_of(grant))
        self._keep()

    def _take_ends(self) -> None:
        for flow in self._conntrack.ended():
            self._tally.end(flow)

    def _keep(self) -> None:
        self._unrecorded |= self._tally.changed
        self._ledger.save(self._tally)
