# SPDX-License-Identifier: EUPL-1.2
"""Lets a device go on here with the session that it has at another gateway of the site, and ends and prolongs with it.

What other gateways told stands in the store under keyed hashes (`sync` writes it there). Only a device that is seen
here, by its lease or as a neighbour, is hashed and looked up: this gateway learns nobody's MAC from another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_core import logs
from edge_core.store import followed, grants, site
from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3

    from edge_core.gateway_key import GatewayKey
    from edge_core.store.grants import Grant
    from edge_core.store.site import SiteSession

_log = logs.get(__name__)
_WORTH = 1.0
"""Seconds that a session must have left to be taken over."""


def goes_on_with(here: Grant | None, elsewhere: SiteSession, now: float) -> bool:
    """Tell whether a device drops its session here, or none, for that which it has elsewhere: the later one counts.

    Session ids are UUIDv7 (RFC 9562): every gateway finds the same one to be the later.
    """
    if elsewhere.end_reason is not None or elsewhere.expires_at - now < _WORTH:
        return False
    return here is None or elsewhere.session > here.session


class Roaming:
    """Follows what the other gateways told, and who is here."""

    def __init__(self, key: GatewayKey, store: sqlite3.Connection, zones: set[str]) -> None:
        """Nothing was looked at yet. `zones` are those of this gateway: a session holds in its own alone."""
        self._key, self._store, self._zones = key, store, zones
        self._here: dict[str, bytes] = {}
        self._macs: dict[bytes, str] = {}
        self._since = 0
        self._version = -1
        self._shut: set[bytes] = set()
        self.adopted = 0
        """Sessions taken over from other gateways since the start."""

    def shut_out(self) -> set[str]:
        """Return the MACs that may do nothing here: blocked here, or blocked elsewhere and seen here."""
        seen = {self._macs[device] for device in self._shut & self._macs.keys()}
        return followed.blocked(self._store, self._key) | seen

    def turn(self, here: set[str], now: float) -> None:
        """Follow the news and whoever came or left; `here` are the MACs seen now. Raises StoreError."""
        for mac in self._here.keys() - here:
            self._macs.pop(self._here.pop(mac), None)
        self.welcome(here, now)
        version = self._store.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._follow(now)
            self._version = version

    def welcome(self, macs: set[str], now: float) -> bool:
        """Take over the sessions of devices that were not here before; True where there was one."""
        fresh = macs - self._here.keys()
        for mac in fresh:
            device = self._key.device(mac)
            self._here[mac], self._macs[device] = device, mac
        found = [(mac, row) for mac in fresh if (row := site.of_device(self._store, self._here[mac], now))]
        taken = self._adopt(found, now) if found else 0
        return bool(taken or any(self._here[mac] in self._shut for mac in fresh))

    def _follow(self, now: float) -> None:
        self._shut = {word.device for word in site.blocks(self._store) if word.blocked}
        self._end_blocked(now)
        news, upto = site.changed(self._store, self._since)
        known = {row.session: self._own(row.session) for row in news}
        with write(self._store):
            for row in news:
                self._keep_up(row, known[row.session], now)
        found = [(self._macs[row.device], row) for row in news if row.device in self._macs]
        self._adopt(found, now)
        for holder in {row.holder: row for row in news if row.holder and row.devices}.values():
            self._make_room(holder, now)
        if revoked := site.revoked_grants(self._store):
            followed.end(self._store, revoked, "revoked", now)
        self._since = upto

    def _own(self, session: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._store.execute(
            "SELECT id, extended FROM grants WHERE session = ? AND ended_at IS NULL", [session]
        ).fetchone()
        return row

    def _keep_up(self, told: SiteSession, own: sqlite3.Row | None, now: float) -> None:
        """End or prolong our part of a session, inside the caller's transaction."""
        if own is None:
            return
        if told.end_reason is not None:
            followed.end_within(self._store, [own["id"]], told.end_reason, now)
        elif told.extended > own["extended"]:
            followed.prolong(self._store, own["id"], told.expires_at, told.extended)

    def _adopt(self, found: list[tuple[str, SiteSession]], now: float) -> int:
        taken = []
        with write(self._store):
            for mac, row in found:
                here = grants.by_mac(self._store, mac, now)
                shut = self._key.device(mac) in self._shut or row.zone not in self._zones
                if shut or not goes_on_with(here, row, now):
                    continue
                if grants.adopt(self._store, mac, row, now):
                    taken.append(row)
        self.adopted += len(taken)
        for row in taken:
            _log.info("session_adopted", session=row.session, plan=row.plan)
        return len(taken)

    def _make_room(self, told: SiteSession, now: float) -> None:
        here = [(grant.id, grant.session) for grant in grants.by_holder(self._store, told.holder, now)]
        elsewhere = [row.session for row in site.by_holder(self._store, told.holder, now)]
        if over := site.too_many(here, elsewhere, told.devices or 1):
            followed.end(self._store, over, "moved", now)

    def _end_blocked(self, now: float) -> None:
        shut = [self._macs[device] for device in self._shut if device in self._macs]
        for mac in shut:
            grants.end(self._store, mac, "blocked", now)
