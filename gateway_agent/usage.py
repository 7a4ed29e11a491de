# SPDX-License-Identifier: EUPL-1.2
"""Folds what flows have carried into totals of grants; pure, and safe to repeat with the same observations.

The last count of each flow is remembered, so only the growth is added. With that memory kept across a restart, the
bytes that passed meanwhile are found again as long as their flow is still in the kernel's table, which keeps even a
reset connection for 10 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edge_core.store.usage import Usage
from gateway_agent.nft_ruleset import GRANT_MASK

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


class Flow(NamedTuple):
    """One flow's counts so far: its id and mark in the kernel, bytes and packets in each direction."""

    id: int
    mark: int
    up_bytes: int
    up_packets: int
    down_bytes: int
    down_packets: int

    @property
    def grant(self) -> int:
        """The grant that the mark tells."""
        return self.mark & GRANT_MASK

    def growth(self, before: Flow | None) -> Usage:
        """Return what was carried since `before`; all of it when the kernel has given the id to a new flow."""
        counts = self[2:]
        if before is None or before.grant != self.grant or any(a < b for a, b in zip(counts, before[2:], strict=True)):
            return Usage(*counts)
        return Usage(*(a - b for a, b in zip(counts, before[2:], strict=True)))


class Tally:
    """Totals by grant, and the last count of each flow."""

    def __init__(self, totals: dict[int, Usage] | None = None, flows: Iterable[Flow] = ()) -> None:
        """Start from what was kept."""
        self.totals: dict[int, Usage] = dict(totals or {})
        self.flows: dict[int, Flow] = {flow.id: flow for flow in flows}
        # Ended flows of this look and of the one before: a table being read may still show them, an end may come twice.
        self._gone: dict[int, Flow] = {}
        self._gone_before: dict[int, Flow] = {}
        self.changed: set[int] = set()
        """Grants whose total grew since `taken`."""
        self.touched: set[int] = set()
        """Flows that were counted, or left, since `taken`."""

    def see(self, flows: Iterable[Flow]) -> None:
        """Count some flows that the table shows."""
        for flow in flows:
            self._see(flow)

    def look(self, flows: Iterable[Flow]) -> set[int]:
        """Count the flows that the table shows; return their ids, for `forget_others`."""
        self._gone_before, self._gone = self._gone, {}
        known, shown = self.flows, set()
        for flow in flows:
            number = flow[0]
            if known.get(number) != flow:  # most have carried nothing since
                self._see(flow)
            shown.add(number)
        return shown

    def end(self, flow: Flow) -> None:
        """Count a flow for the last time."""
        before = self.flows.pop(flow.id, None) or self._ended(flow.id)
        self._add(flow, before)
        self._gone[flow.id] = flow

    def forget_others(self, ids: set[int]) -> None:
        """Let go of the flows that a whole look did not show: their end was not told, their last count stands."""
        for number in self.flows.keys() - ids:
            self._gone[number] = self.flows.pop(number)
            self.touched.add(number)

    def close(self, grants: Collection[int]) -> None:
        """Forget grants and their flows."""
        for number in [flow.id for flow in self.flows.values() if flow.grant in grants]:
            self._gone[number] = self.flows.pop(number)
            self.touched.add(number)
        for grant in grants:
            self.changed.discard(grant)
            self.totals.pop(grant, None)

    def taken(self) -> None:
        """Note that all changes so far were kept elsewhere."""
        self.changed.clear()
        self.touched.clear()

    def _see(self, flow: Flow) -> None:
        ended = None if flow.id in self.flows else self._ended(flow.id)
        if ended == flow:
            self._gone[flow.id] = flow
            return
        self._add(flow, self.flows.get(flow.id) or ended)
        self.flows[flow.id] = flow

    def _ended(self, number: int) -> Flow | None:
        return self._gone.get(number) or self._gone_before.get(number)

    def _add(self, flow: Flow, before: Flow | None) -> None:
        growth = flow.growth(before)
        if growth == Usage() and before is not None:
            return
        self.totals[flow.grant] = self.totals.get(flow.grant, Usage()) + growth
        self.changed.add(flow.grant)
        self.touched.add(flow.id)
