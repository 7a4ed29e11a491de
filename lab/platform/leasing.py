# SPDX-License-Identifier: EUPL-1.2
"""Leases: units of a scarce thing that one device may promise by itself, granted, extended, asked back (R-407, R-413).

Every function works in the caller's transaction. Nothing here frees a unit: only the device's own word does
(`projections`), or a person's (`release`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import uuid6

from lab.platform import quotas, replies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.platform.store import Connection

TERM = 86400.0
"""Seconds that a lease runs; it is extended when half of them are over, while its device is heard."""
RETURNED = "eu.parvis.quota.returned.v1"
_UNSPENT = """
coalesce((SELECT sum(l.units) FROM leases l
    WHERE l.quota = q.n AND l.device = d.id AND l.life = d.epoch AND l.returned IS NULL), 0)
- coalesce((SELECT sum(r.units) FROM requests r JOIN leases l ON l.lease = r.lease
    WHERE l.quota = q.n AND l.device = d.id AND l.life = d.epoch AND l.returned IS NULL AND r.doubt = 0), 0)
"""
_SHARED = "(SELECT share FROM quotas q WHERE q.n = leases.quota)"
_OPEN = "EXISTS (SELECT 1 FROM leases l WHERE l.quota = q.n AND l.device = d.id AND l.returned IS NULL"
_DUE = f"""
SELECT q.n, d.id FROM quotas q CROSS JOIN devices d
WHERE d.birth LIKE :leases
AND EXISTS (SELECT 1 FROM streams s WHERE s.device = d.id AND s.epoch = d.epoch AND s.online = 1)
AND CASE WHEN q.share = 0 THEN {_OPEN} AND l.asked_back = 0) ELSE
    ({_UNSPENT}) * 2 < q.share AND {{taken}} < q.capacity
    OR {_OPEN} AND l.asked_back = 0 AND l.until < :soon AND l.until > :now) END
"""


def due(connection: Connection, now: float, term: float, only: set[int] | None = None) -> list[tuple[int, int]]:
    """Return (quota, device) in order where it looks as if something were to be granted, extended or asked back.

    Locks nothing. `only` looks at these devices alone: who has just been born, or has just spent.
    """
    chosen = "" if only is None else f" AND d.id IN ({', '.join(map(str, sorted(only))) or 'NULL'})"
    bounds = {"now": now, "soon": now + term / 2, "leases": f'%"{RETURNED}"%'}
    rows = connection.execute(f"{_DUE.format(taken=quotas.TAKEN)}{chosen} ORDER BY q.n, d.id", bounds).fetchall()
    return [(int(quota), int(device)) for quota, device in rows]


def turn(connection: Connection, pairs: Sequence[tuple[int, int]], now: float, term: float) -> set[int]:
    """Grant, extend and ask back what is `due`; return the devices that have something to be told.

    What is due is judged again: the caller has locked these devices and quotas only since.
    """
    ways = (_refill, _extend, _ask_back)
    return {device for quota, device in pairs if sum(way(connection, quota, device, now, term) for way in ways)}


def returned(connection: Connection, device: int, lease: str, used: int) -> None:
    """Note that a device gave a lease back; the first word counts, and it can't have used more than it had."""
    connection.execute(
        "UPDATE leases SET returned = CASE WHEN ? < units THEN ? ELSE units END"
        " WHERE lease = ? AND device = ? AND returned IS NULL",
        [used, used, lease, device],
    )


def release(connection: Connection, lease: str) -> int | None:
    """Free what a device that never comes back has not spent, by a person's decision; return it, None if there is none.

    What it promised and could not tell any more may then be promised twice.
    """
    row = connection.execute("SELECT device FROM leases WHERE lease = ? AND returned IS NULL", [lease]).fetchone()
    if row is None:
        return None
    connection.execute(
        "UPDATE leases SET returned = (SELECT coalesce(sum(r.units), 0) FROM requests r WHERE r.lease = leases.lease"
        " AND r.doubt = 0 AND r.state IN ('accepted', 'done')) WHERE lease = ?",
        [lease],
    )
    return int(row[0])


def accept_held(connection: Connection, now: float) -> set[int]:
    """Accept every new request that a lease holds, and mark what none does; return the devices with a reply to get."""
    waiting = connection.execute(
        "SELECT n, request FROM requests WHERE state = 'received' AND lease IS NOT NULL AND doubt = 0 ORDER BY n"
    ).fetchall()
    devices = set()
    for number, request in waiting:
        if quotas.is_held(connection, number):
            devices.add(replies.answer(connection, request, "accepted", None, now))
        else:
            connection.execute("UPDATE requests SET doubt = 1 WHERE n = ?", [number])
    return {device for device in devices if device is not None}


def outstanding(connection: Connection) -> list[dict[str, Any]]:
    """Return the leases that were not given back; `stale` where their device has begun another life since."""
    rows = connection.execute(
        "SELECT l.lease, l.quota, d.site, d.name AS device, l.units, l.until, l.life <> d.epoch AS stale,"
        " (SELECT coalesce(sum(r.units), 0) FROM requests r WHERE r.lease = l.lease AND r.doubt = 0) AS spent"
        " FROM leases l JOIN devices d ON d.id = l.device WHERE l.returned IS NULL ORDER BY d.site, d.name, l.until"
    ).fetchall()
    return [{**dict(row), "spent": int(row["spent"]), "stale": bool(row["stale"])} for row in rows]


def _refill(connection: Connection, quota: int, device: int, now: float, term: float) -> bool:
    """Grant another lease where what a device holds and has not spent is less than half a share."""
    kind, subject, slot, each, share, life, unspent = connection.execute(
        f"SELECT q.kind, q.subject, q.slot, q.each, q.share, d.epoch, {_UNSPENT} FROM quotas q, devices d"
        " WHERE q.n = ? AND d.id = ?",
        [quota, device],
    ).fetchone()
    if int(unspent) * 2 >= share:
        return False
    units = min(share, quotas.free(connection, quota))
    if units <= 0:
        return False
    key, until = str(uuid6.uuid7()), now + term
    connection.execute(
        "INSERT INTO leases (lease, quota, device, life, units, until) VALUES (?, ?, ?, ?, ?, ?)",
        [key, quota, device, life, units, until],
    )
    granted = {"kind": kind, "subject": subject, "slot": slot or None, "each": each, "units": units,
               "until": replies.rfc3339(until), "life": life}  # fmt: skip
    replies.tell_lease(connection, device, key, {"granted": granted}, now)
    return True


def _extend(connection: Connection, quota: int, device: int, now: float, term: float) -> bool:
    rows = connection.execute(
        "UPDATE leases SET until = ? WHERE quota = ? AND device = ? AND returned IS NULL AND asked_back = 0"
        f" AND until < ? AND until > ? AND {_SHARED} > 0 RETURNING lease",
        [now + term, quota, device, now + term / 2, now],
    ).fetchall()
    for (lease,) in rows:
        replies.tell_lease(connection, device, lease, {"extended": {"until": replies.rfc3339(now + term)}}, now)
    return bool(rows)


def _ask_back(connection: Connection, quota: int, device: int, now: float, _term: float) -> bool:
    rows = connection.execute(
        "UPDATE leases SET asked_back = 1 WHERE quota = ? AND device = ? AND returned IS NULL AND asked_back = 0"
        f" AND {_SHARED} = 0 RETURNING lease",
        [quota, device],
    ).fetchall()
    for (lease,) in rows:
        replies.tell_lease(connection, device, lease, {"withdrawn": True}, now)
    return bool(rows)
