# SPDX-License-Identifier: EUPL-1.2
"""Makes the kernel agree with the store: follows the wish, knows the fact, applies the difference, repairs rules."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from edge_core import clock
from edge_core.netlink import NetlinkError
from edge_core.store import followed
from gateway_agent import leases, reconcile, rules
from gateway_agent.nft_elements import Table
from gateway_agent.shaping import Lane, Shaper
from gateway_agent.wishes import Wishes, holders

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable

    from edge_core.settings import Settings
    from edge_core.store.followed import Permit
    from gateway_agent.nft_elements import Changes, Elements
    from gateway_agent.reconcile import Held

_TRIES = 3
_LEASES_SECONDS = 60.0
_REREAD_SECONDS = 3.0
"""Between two full readings: others (dnsmasq fills the walled garden) may change nftables many times a second."""
_CHANGED_UNDER_US = (errno.ERESTART, errno.ENOENT, errno.EEXIST)


class Enforcement:
    """What was applied to the kernel. nftables' generation number tells when somebody else has changed it."""

    def __init__(
        self, settings: Settings, store: sqlite3.Connection, shut_out: Callable[[], set[str]] | None = None
    ) -> None:
        """Open the sockets; nothing is changed yet. `shut_out` tells which MACs may do nothing here."""
        self._shut_out = shut_out or (lambda: followed.blocked(store))
        self._settings = settings
        self._store = store
        self._table = Table()
        self._leases = leases.take_up(settings, store, clock.now())
        self._leased: object = None
        self._leases_due = 0.0
        self._wishes = Wishes(settings.zones)
        self._shaper = Shaper([zone.interface for zone in settings.zones], settings.wan.interface)
        self._revision: int | None = None
        self._applied: dict[str, Held] = {}
        self._blocked: set[str] = set()
        self._pending: set[str] = set()
        self._generation: int | None = None
        self._reread_due: float | None = None

    @property
    def active(self) -> Collection[Permit]:
        """The grants that hold, as of the last look."""
        return self._wishes.grants.values()

    def close(self) -> None:
        """Close the sockets; rules and elements stay."""
        self._table.close()
        self._shaper.close()

    def addresses(self) -> dict[str, str]:
        """Return a leased address of each MAC."""
        return {lease.mac: str(lease.address) for lease in self._leases.current().values()}

    def reserve(self, now: float, moment: float) -> None:
        """Of a pair: have dnsmasq keep what the other gave. Raises OSError."""
        self._leases.reserve(now, moment)

    def take_up_clock(self, moved: float) -> None:
        """Let leases go on, and doubt what was judged by the wall clock: it was set by `moved` seconds."""
        self._leases.move(moved)
        self.doubt()

    def doubt(self) -> None:
        """Read the kernel's elements again at the next occasion."""
        self._generation = None

    def reconcile(self, now: float) -> int:
        """Make the elements what the store wishes at `now`; return the number of changes.

        Raises NetworkError or NetlinkError where the kernel refuses, StoreError where the store can't be read.
        """
        # What could not be done stays pending: a failure here is made good by the next call.
        self._pending |= self._follow_wish(now)
        for attempt in range(_TRIES):
            try:
                return self._learn(now) + self._change(now)
            except NetlinkError as error:
                self._generation = None
                if error.errno not in _CHANGED_UNDER_US or attempt == _TRIES - 1:
                    raise
        return 0

    def _follow_wish(self, now: float) -> set[str]:
        """Take in what changed in the store and the leases; return the MACs concerned."""
        changed, self._revision = followed.changed(self._store, self._revision)
        leased, addresses = self._leases.current(), None
        if leased is not self._leased or not self._leases_due > now:
            addresses = holders(leased.values(), now)
            ends = (lease.ends_at for lease in leased.values() if lease.ends_at > now)
            self._leases_due = min(ends, default=now + _LEASES_SECONDS)
            self._leased = leased
        return self._wishes.update(changed, addresses, now)

    def _learn(self, now: float) -> int:
        """Make good what anybody else has changed in nftables since our own last change; return the number of changes.

        Rules are looked at once; elements at once when something of ours failed, else within some seconds.
        """
        generation, moment = self._table.generation(), clock.monotonic()
        if generation == self._generation and not (self._reread_due and moment >= self._reread_due):
            return 0
        if rules.ensure(self._settings, self._wanted):
            generation = self._table.generation()
            self._generation = None
        if self._generation is not None and not (self._reread_due and moment >= self._reread_due):
            self._reread_due = self._reread_due or moment + _REREAD_SECONDS
            self._generation = generation
            return 0
        self._generation = generation
        return self._compare_all(now)

    def _compare_all(self, now: float) -> int:
        self._reread_due = None
        blocked = self._shut_out()
        held = self._wishes.all()
        fact = self._table.elements(reconcile.SETS, now)
        changes = reconcile.difference(fact, reconcile.elements(held.values(), blocked), now)
        lanes = _lanes(held.values())
        self._shaper.open(lanes)
        self._apply(changes, now)
        self._shaper.keep_only(lanes)
        self._applied, self._blocked = held, blocked
        self._pending.clear()
        return len(changes)

    def _change(self, now: float) -> int:
        """Make right what is pending."""
        before = [self._applied[mac] for mac in self._pending if mac in self._applied]
        after = {mac: held for mac in self._pending if (held := self._wishes.held(mac))}
        blocked = self._shut_out()
        fact, wanted = reconcile.elements(before, self._blocked), reconcile.elements(after.values(), blocked)
        changes = reconcile.difference(fact, wanted, now)
        lanes = _lanes(after.values())
        self._shaper.open(lanes)  # before the rules send packets there
        self._apply(changes, now)
        self._shaper.shut({lane.minor for lane in _lanes(before)} - {lane.minor for lane in lanes})
        for mac in self._pending:
            self._applied.pop(mac, None)
        self._applied.update(after)
        self._blocked = blocked
        self._pending.clear()
        return len(changes)

    def _apply(self, changes: Changes, now: float) -> None:
        if changes and self._generation is not None:
            self._generation += self._table.apply(changes, now, self._generation)

    def _wanted(self) -> Elements:
        return reconcile.elements(self._wishes.all().values(), self._shut_out())


def _lanes(held: Iterable[Held]) -> list[Lane]:
    return [one.lane for one in held if one.lane]
