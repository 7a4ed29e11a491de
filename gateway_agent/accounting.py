# SPDX-License-Identifier: EUPL-1.2
"""Counts what sessions use, keeps it across a kill, and tells each session's end once its flows are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_core import clock, logs
from edge_core.store import grants, usage
from gateway_agent.conntrack import Conntrack
from gateway_agent.ledger import Ledger

if TYPE_CHECKING:
    import sqlite3

    from edge_core.settings import Settings
    from edge_core.store.grants import Grant
    from edge_core.store.usage import Usage

_log = logs.get(__name__)
_RECORD_SECONDS = 10.0
"""Between two writes of totals to edge.db; only a power cut loses what came after the last."""

_FEW = 8
"""Sessions up to which each is asked for alone; beyond, one reading of all flows is cheaper."""


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
        known = {row[0] for row in self._store.execute("SELECT id FROM grants")} if self._unrecorded else set()
        rows = [(grant, self.total(grant)) for grant in self._unrecorded & known]
        if rows:
            usage.record(self._store, rows, now)
        self._unrecorded.clear()
        self._record_at = now + _RECORD_SECONDS

    def close_sessions(self, now: float) -> int:
        """End the flows of sessions that are over and tell their usage, once each; return how many."""
        over = grants.unclosed(self._store, now)
        if over:
            self._count_before(over)
        for grant in over:
            self._conntrack.end(grant.id)
            self._take_ends()
            if usage.close(self._store, grant, self.total(grant.id), now):
                _log.info("session_ended", session=grant.session, reason=grant.end_reason or "expired")
            self._tally.close(grant.id)
            self._unrecorded.discard(grant.id)
            self._ledger.forget(grant.id)
        return len(over)

    def _count_before(self, over: list[Grant]) -> None:
        """Keep the counts of flows about to be deleted: killed between that and the session's end, none is lost."""
        if len(over) > _FEW:
            self._tally.see(self._conntrack.flows(live=False))
        else:
            for grant in over:
                self._tally.see(self._conntrack.flows_of(grant.id))
        self._keep()

    def _take_ends(self) -> None:
        for flow in self._conntrack.ended():
            self._tally.end(flow)

    def _keep(self) -> None:
        self._unrecorded |= self._tally.changed
        self._ledger.save(self._tally)
