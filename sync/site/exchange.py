# SPDX-License-Identifier: EUPL-1.2
"""Tells the site's other gateways of our sessions, vouchers and blocks, and writes down what they tell.

What has changed is told at once, everything when a connection stands, when another gateway starts, and each few
minutes: whatever the broker lost is made good by that, and nothing has to be kept on it.
"""

from __future__ import annotations

import secrets
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING

from edge_core import gateways_heard, logs
from edge_core.gateway_key import OtherKeyError
from edge_core.gateways_heard import Heard
from edge_core.leases import LeasesFile
from edge_core.store import site, site_leases
from edge_core.store.database import write
from sync.site import told as own
from sync.site.wire import Told, in_parts, pack, unpack

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from edge_core.gateway_key import GatewayKey
    from edge_core.leases import Lease
    from edge_core.settings import Settings

_log = logs.get(__name__)
_WHOLE_SECONDS, _WHOLE_LEAST = 300.0, 5.0
_SLOW_SECONDS = 10.0
_BLOCK_SECONDS = 1.0
_ROWS, _AT_ONCE = 300, 4
_MOST_WAITING, _MOST_PEERS, _MOST_LIVES = 500, 16, 50
_STATE_SECONDS = 1.0


class Gateways:
    """Our side of the talk; `wall` is the wall clock. One thread calls it."""

    def __init__(
        self, settings: Settings, connection: sqlite3.Connection, key: GatewayKey, wall: Callable[[], float]
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._settings, self._connection, self._key, self._wall = settings, connection, key, wall
        self._name = settings.device.id
        self._life, self._number = secrets.token_hex(16), 0
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=_MOST_WAITING)
        self._parts: deque[Told] = deque()
        self._peers: dict[str, Heard] = {}
        self._noted: dict[str, Heard] = {}
        self._lives: dict[str, dict[str, int]] = {}
        self._hello = True
        self._since = own.Since()
        self._due = {"whole": 0.0, "slow": 0.0, "block": 0.0, "state": 0.0}
        self._last_whole = float("-inf")
        self._leases = LeasesFile(settings.leases_file) if settings.ha.peer else None

    def again(self) -> None:
        """Begin anew: what was on its way may be lost."""
        self._hello = True
        self._parts.clear()
        self._due["whole"] = self._last_whole = float("-inf")

    def take(self, sender: str, payload: bytes) -> None:
        """Take in what a device said; it is read at the next turn."""
        if sender != self._name:
            self._waiting.append((sender, payload))

    def turn(self, moment: float, *, connected: bool) -> list[bytes]:
        """Write down what was heard; return what is to be published now. Raises StoreError, sqlite3.Error.

        Nothing is told while there is no connection: what changes meanwhile is in the store.
        """
        if self._waiting:
            self._listen(moment)
        self._keep_state(moment)
        if moment >= self._due["slow"]:
            self._due["slow"] = moment + _SLOW_SECONDS
            with write(self._connection):
                site.tidy(self._connection, self._wall())
                site_leases.tidy(self._connection, self._wall())
                own.adopt_old_blocks(self._connection, self._key, self._name)
        if not connected:
            return []
        self._gather(moment)
        return [self._pack(self._parts.popleft()) for _ in range(min(_AT_ONCE, len(self._parts)))]

    def _gather(self, moment: float) -> None:
        now = self._wall()
        if moment >= self._due["whole"] and moment >= self._last_whole + _WHOLE_LEAST:
            self._due["whole"], self._last_whole = moment + _WHOLE_SECONDS, moment
            self._since = own.Since()
            self._parts.append(Told(hello=self._hello))  # also with nothing to tell: the others see that we are there
            self._hello = False
        told = Told()
        told.sessions = own.sessions(self._connection, self._key, self._since, now)
        told.vouchers = own.vouchers(self._connection, self._since)
        told.leases = own.leases(self._leases, self._since, now, moment) if self._leases else []
        if moment >= self._due["block"] or not self._since.blocks:
            self._due["block"] = moment + _BLOCK_SECONDS
            told.blocks = own.blocks(self._connection, self._since)
            if self._since.usage_is_due(moment):
                told.usage = own.usage(self._connection, self._since, all_shared=bool(self._settings.access.idle))
        self._parts.extend(in_parts(told, _ROWS))

    def _pack(self, told: Told) -> bytes:
        self._number += 1
        told.life, told.number = self._life, self._number
        told.pair = self._settings.ha.router_id if told.leases else 0
        self.counts["told"] += 1
        return pack(self._key, self._name, told, self._wall())

    def _listen(self, moment: float) -> None:
        now, heard = self._wall(), []
        while self._waiting:
            sender, payload = self._waiting.popleft()
            if told := self._open(sender, payload, now):
                heard.append((sender, told))
                if told.hello:
                    self._due["whole"] = moment
        if heard:
            with write(self._connection):
                for sender, told in heard:
                    self._write(sender, told, now)

    def _open(self, sender: str, payload: bytes, now: float) -> Told | None:
        if sender not in self._peers and len(self._peers) >= _MOST_PEERS:
            return None
        try:
            told = unpack(self._key, sender, payload, now)
        except OtherKeyError:
            if sender not in self._peers or not self._peers[sender].other_key:
                _log.error(
                    "other_gateway_key",
                    gateway=sender,
                    remedy="Give every gateway of the site the same [site] gateway_key.",
                )
            self._peers[sender] = Heard(now, other_key=True)
            return None
        except (ValueError, RecursionError, TypeError) as error:
            self._refuse(sender, str(error))
            return None
        if not self._is_fresh(sender, told):
            self._refuse(sender, "said before")
            return None
        self._peers[sender] = Heard(now, other_key=False)
        self.counts["refused_rows"] += told.refused
        return told

    def _refuse(self, sender: str, reason: str) -> None:
        self.counts["refused"] += 1
        times = self.counts["refused"]
        if logs.worth_telling(times):
            _log.warning("gateway_refused", gateway=sender, reason=reason, times=times)

    def _is_fresh(self, sender: str, told: Told) -> bool:
        """Tell whether a message is no copy of an older one: numbers rise, and a life that is over stays over."""
        lives = self._lives.setdefault(sender, {})
        newest = next(reversed(lives), told.life)
        if told.life in lives and (told.life != newest or told.number <= lives[told.life]):
            return False
        lives[told.life] = told.number
        while len(lives) > _MOST_LIVES:
            del lives[next(iter(lives))]
        return True

    def _write(self, sender: str, told: Told, now: float) -> None:
        self.counts["heard"] += 1
        site.merge_sessions(self._connection, told.sessions)
        site.merge_usage(self._connection, sender, told.usage, now)
        site.merge_vouchers(self._connection, told.vouchers)
        for block in told.blocks:
            site.merge_block(self._connection, block)
        if self._leases and told.pair == self._settings.ha.router_id:
            site_leases.merge(self._connection, [lease for lease in told.leases if self._is_ours(lease)])

    def _is_ours(self, lease: Lease) -> bool:
        """Tell whether a lease is of addresses that the pair gives."""
        return any(zone.dhcp_range[0] <= lease.address <= zone.dhcp_range[1] for zone in self._settings.zones)

    def _keep_state(self, moment: float) -> None:
        """Note whom we heard; telling people is not the work, so a full disk hinders nothing."""
        if self._peers == self._noted or moment < self._due["state"]:
            return
        self._due["state"] = moment + _STATE_SECONDS
        with suppress(OSError):
            gateways_heard.write(self._settings, self._peers)
            self._noted = dict(self._peers)
