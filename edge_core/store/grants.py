# SPDX-License-Identifier: EUPL-1.2
"""Grants: the wish that a device be online, until when. The portal and the command line write them.

The agent ends them, and adopts those of a device that comes from another gateway of the site.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import uuid6

from edge_core import events
from edge_core.settings_zones import FIRST
from edge_core.store import outbox, site
from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3

    from edge_core.store.site import SiteSession

_COLUMNS = (
    "id, session, mac, plan, created_at, expires_at, ended_at, end_reason, rate_up, rate_down, quota, holder, extended,"
    " zone, devices, adopted"
)
PRE_GRANT = "pre-grant"
"""Plan of the short access while somebody signs in or reads an e-mail; any other plan takes its place."""
VOUCHER = "voucher:"
"""Begins the holder of a voucher's grants. It names no person, so it outlives the session."""


@dataclass(frozen=True)
class Limits:
    """What a plan allows beside its time: rates in kbit/s, `quota` in bytes of both directions; None is no limit."""

    rate_up: int | None = None
    rate_down: int | None = None
    quota: int | None = None


_NO_LIMITS = Limits()


@dataclass(frozen=True)
class Holder:
    """Whose devices belong together, by an opaque key, and how many of them may be online at once."""

    key: str
    devices: int


@dataclass(frozen=True)
class Grant:
    """One device's permission. `id` is the conntrack mark of its flows; times are seconds since 1970.

    Rates are in kbit/s, `quota` in bytes of both directions, None without limit. `holder` is "" or whose devices these
    are, `devices` how many of them may be online; `extended` counts how often the device's person made it last longer.
    `adopted`: the session began at another gateway of the site.
    """

    id: int
    session: str
    mac: str
    plan: str
    created_at: float
    expires_at: float
    ended_at: float | None
    end_reason: str | None
    rate_up: int | None = None
    rate_down: int | None = None
    quota: int | None = None
    holder: str = ""
    extended: int = 0
    zone: str = FIRST
    """The zone in which it holds, and in no other."""
    devices: int | None = None
    adopted: int = 0

    @property
    def is_shared(self) -> bool:
        """Tell whether other devices may use the same voucher meanwhile: its quota is for all of them together."""
        return self.holder.startswith(VOUCHER) and (self.devices or 1) > 1

    def remaining(self, now: float) -> float:
        """Return the seconds left, 0 where it is over."""
        return 0.0 if self.ended_at is not None else max(0.0, self.expires_at - now)


def accept(  # what a plan gives, as its words have it
    connection: sqlite3.Connection,
    mac: str,
    plan: str,
    seconds: int,
    now: float,
    *,
    limits: Limits = _NO_LIMITS,
    holder: Holder | None = None,
    zone: str = FIRST,
) -> Grant:
    """Grant access and tell it, in one transaction.

    A device that has a grant in this zone keeps it: a form sent twice is one. Only a pre-grant makes room, and with a
    `holder` any grant that is not the same holder's; so does one of another zone. Where the holder has too many
    devices online, those that came first are ended as "moved".

    Raises StoreError where it can't be recorded: then nothing was granted.
    """
    with write(connection):
        current = by_mac(connection, mac, now)
        if current and current.zone == zone and _stays(current, plan, holder):
            return current
        _end_open(connection, mac, now, "changed" if current else "expired")
        if holder:
            _make_room(connection, holder, now)
        row = connection.execute(
            "INSERT INTO grants (session, mac, plan, created_at, expires_at, rate_up, rate_down, quota, holder,"
            f" zone, devices) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING {_COLUMNS}",
            [
                *[str(uuid6.uuid7()), mac, plan, now, now + seconds],
                *[limits.rate_up, limits.rate_down, limits.quota, holder.key if holder else "", zone],
                holder.devices if holder else None,
            ],
        ).fetchone()
        grant = Grant(*row)
        outbox.append(connection, events.SessionStarted(session=grant.session, plan=plan, seconds=seconds), now)
        return grant


def adopt(connection: sqlite3.Connection, mac: str, elsewhere: SiteSession, now: float) -> bool:
    """Let a device go on here with the session that it has at another gateway, inside the caller's transaction.

    Another session of the device is ended as "changed". False where this session was over here already. Its beginning
    was told where it began.
    """
    known = connection.execute("SELECT 1 FROM grants WHERE session = ?", [elsewhere.session]).fetchone()
    if known is not None:
        return False
    _end_open(connection, mac, now, "changed")
    connection.execute(
        "INSERT INTO grants (session, mac, plan, created_at, expires_at, rate_up, rate_down, quota, holder, devices,"
        " extended, zone, adopted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
        [
            *[elsewhere.session, mac, elsewhere.plan, now, elsewhere.expires_at],
            *[elsewhere.rate_up, elsewhere.rate_down, elsewhere.quota, elsewhere.holder, elsewhere.devices],
            *[elsewhere.extended, elsewhere.zone],
        ],
    )
    return True


def _stays(current: Grant, plan: str, holder: Holder | None) -> bool:
    if holder:
        return current.holder == holder.key and current.plan == plan
    return current.plan != PRE_GRANT or plan == PRE_GRANT


def _make_room(connection: sqlite3.Connection, holder: Holder, now: float) -> None:
    """End the oldest sessions here where, all over the site, one more would be too many; others end theirs."""
    own = {grant.id: grant for grant in by_holder(connection, holder.key, now)}
    here = [(number, grant.session) for number, grant in own.items()]
    elsewhere = [row.session for row in site.by_holder(connection, holder.key, now)]
    for number in site.too_many(here, elsewhere, holder.devices - 1):
        _end_open(connection, own[number].mac, now, "moved")


def extend(connection: sqlite3.Connection, mac: str, until: float, most: int, now: float) -> Grant | None:
    """Let a device's grant last until `until`, at most `most` times in all; None where nothing was extended."""
    with write(connection):
        row = connection.execute(
            "UPDATE grants SET expires_at = ?, extended = extended + 1 WHERE mac = ? AND ended_at IS NULL"
            f" AND expires_at > ? AND expires_at < ? AND extended < ? RETURNING {_COLUMNS}",
            [until, mac, now, until, most],
        ).fetchone()
        return Grant(*row) if row else None


def by_holder(connection: sqlite3.Connection, holder: str, now: float) -> list[Grant]:
    """Return the grants of one holder's devices at `now`, the oldest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM grants WHERE holder = ? AND holder <> '' AND ended_at IS NULL AND expires_at > ?"
        " ORDER BY id",
        [holder, now],
    )
    return [Grant(*row) for row in rows]


def active(connection: sqlite3.Connection, now: float, most: int = -1) -> list[Grant]:
    """Return the grants that hold at `now`, the oldest first, all of them or `most`."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM grants WHERE ended_at IS NULL AND expires_at > ? ORDER BY id LIMIT ?", [now, most]
    )
    return [Grant(*row) for row in rows]


def by_mac(connection: sqlite3.Connection, mac: str, now: float) -> Grant | None:
    """Return the grant that a device has at `now`."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM grants WHERE mac = ? AND ended_at IS NULL AND expires_at > ?", [mac, now]
    ).fetchone()
    return Grant(*row) if row else None


def end(connection: sqlite3.Connection, mac: str, reason: str, now: float) -> Grant | None:
    """End a device's grant; return it as it was, or None where it had none. The agent tells its usage."""
    with write(connection):
        current = by_mac(connection, mac, now)
        if current:
            _end_open(connection, mac, now, reason)
        return current


def unclosed(connection: sqlite3.Connection, now: float) -> list[Grant]:
    """Return the grants that are over (ended, or expired) and whose usage was not told yet."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM grants WHERE (ended_at IS NOT NULL OR expires_at <= ?)"
        " AND NOT EXISTS (SELECT 1 FROM usage WHERE grant_id = grants.id AND closed) ORDER BY id",
        [now],
    )
    return [Grant(*row) for row in rows]


def forget(connection: sqlite3.Connection, grant: Grant, now: float) -> None:
    """Forget which device had a grant that is over, inside the transaction that tells its end.

    From here on the session is a number of bytes with a random id: a MAC address stays no longer than its grant, and
    nor does whose device it was. Only a voucher's number stays: what it has left is counted by it.
    """
    connection.execute(
        "UPDATE grants SET mac = '', ended_at = coalesce(ended_at, min(?, expires_at)),"
        " end_reason = coalesce(end_reason, 'expired'),"
        " holder = CASE WHEN substr(holder, 1, ?) = ? THEN holder ELSE '' END WHERE id = ?",
        [now, len(VOUCHER), VOUCHER, grant.id],
    )


def ended_of(connection: sqlite3.Connection, mac: str) -> list[Grant]:
    """Return the grants of a device that are over and whose end was not told yet: until then its address is held."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM grants WHERE mac = ? AND ended_at IS NOT NULL", [mac])
    return [Grant(*row) for row in rows]


def _end_open(connection: sqlite3.Connection, mac: str, now: float, reason: str) -> None:
    connection.execute(
        "UPDATE grants SET ended_at = min(?, expires_at), end_reason = ? WHERE mac = ? AND ended_at IS NULL",
        [now, reason, mac],
    )
