# SPDX-License-Identifier: EUPL-1.2
"""Scarce things: how many there are, and who has them. The only module that says whether a request still finds room.

Taken are the units accepted on request, and of each lease all that was granted, or once it is given back what was
spent (R-407). Whoever takes locks the thing's row first, so several consumers of one database can't both see the last.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.platform.store import Connection

MOST = 1_000_000
_SUBJECT = re.compile(r"[a-z0-9]([a-z0-9_-]{0,98}[a-z0-9])?")
_SLOT = re.compile(r"|\d{4}-\d\d-\d\d(T\d\d:\d\d)?", re.ASCII)
_KINDS = ("room", "desk", "lunch", "bike", "event", "other")
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")
TAKEN = """
(coalesce((SELECT sum(coalesce(t.returned, t.units)) FROM leases t WHERE t.quota = q.n), 0)
    + coalesce((SELECT sum(t.units) FROM requests t WHERE t.quota = q.n AND t.state IN ('accepted', 'done')), 0))
"""
"""In a statement that calls the thing's row q: the units of it that are spoken for."""


class Quota(NamedTuple):
    """`capacity` units of a thing; `share` of them go into one lease, 0 for none. `slot` "" is whenever."""

    kind: str
    subject: str
    slot: str
    each: str
    capacity: int
    share: int


class BadQuotaError(ValueError):
    """What was written is no quota; the text says what one looks like."""


def read(form: Mapping[str, str]) -> Quota:
    """Check what a person wrote under the names of a Quota. Raises BadQuotaError."""
    kind, subject, slot, each, capacity, share = (form.get(name, "").strip() for name in Quota._fields)
    good = (
        kind in _KINDS and _SUBJECT.fullmatch(subject) and _SLOT.fullmatch(slot) and each in ("person", "request")
        and _NUMBER.fullmatch(capacity) and (share == "0" or _NUMBER.fullmatch(share))
    )  # fmt: skip
    if not good or int(share) > int(capacity):
        raise BadQuotaError(
            f"{kind}/{subject}/{slot} {each} {capacity} {share}: expected a kind ({', '.join(_KINDS)}), the id of a"
            " service or event, no slot or 2025-03-06 or 2025-03-06T14:00, person or request, and two numbers: how many"
            " there are, and how many go into one lease."
        )
    return Quota(kind, subject, slot, each, int(capacity), int(share))


def read_option(text: str) -> Quota:
    """Read KIND/SUBJECT[/SLOT]=CAPACITY:SHARE[:request]. Raises BadQuotaError."""
    thing, _, numbers = text.partition("=")
    kind, subject, slot = (*thing.split("/", 2), "", "", "")[:3]
    capacity, share, each = (*numbers.split(":"), "", "", "")[:3]
    form = {"kind": kind, "subject": subject, "slot": slot, "each": each or "person"}
    return read({**form, "capacity": capacity, "share": share})


def put(connection: Connection, quota: Quota) -> bool:
    """Say how many there are, in the caller's transaction; False where more are taken already."""
    row = connection.execute(
        "INSERT INTO quotas (kind, subject, slot, each, capacity, share) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (kind, subject, slot) DO UPDATE SET touched = quotas.touched + 1 RETURNING n",
        quota,
    ).fetchone()
    if taken(connection, int(row[0])) > quota.capacity:
        return False
    connection.execute(
        "UPDATE quotas SET each = ?, capacity = ?, share = ? WHERE n = ?",
        [quota.each, quota.capacity, quota.share, row[0]],
    )
    return True


def lock(connection: Connection, *wanted: int) -> None:
    """Keep other consumers away from things until the caller's transaction ends; several always in the same order."""
    for quota in sorted(set(wanted)):
        connection.execute("UPDATE quotas SET touched = touched + 1 WHERE n = ?", [quota])


def taken(connection: Connection, quota: int) -> int:
    """Return how many units of a thing are spoken for."""
    return int(connection.execute(f"SELECT {TAKEN} FROM quotas q WHERE q.n = ?", [quota]).fetchone()[0])


def free(connection: Connection, quota: int) -> int:
    """Return how many units of a thing nobody has; lock it before."""
    return int(connection.execute(f"SELECT q.capacity - {TAKEN} FROM quotas q WHERE q.n = ?", [quota]).fetchone()[0])


def take(connection: Connection, number: int) -> bool:
    """Take what request `number` needs as it is accepted, in the caller's transaction; False where there is no room.

    One that its lease holds was taken with the lease; one of a thing without a quota takes nothing.
    """
    kind, subject, data, lease, doubt = connection.execute(
        "SELECT kind, subject, data, lease, doubt FROM requests WHERE n = ?", [number]
    ).fetchone()
    if lease is not None and not doubt:
        return True
    answers = json.loads(data)
    quota = _of(connection, kind, subject, answers)
    if quota is None:
        return True
    lock(connection, quota[0])
    wanted = _needed(quota[1], answers)
    if wanted > free(connection, quota[0]):
        return False
    connection.execute("UPDATE requests SET quota = ?, units = ? WHERE n = ?", [quota[0], wanted, number])
    return True


def asked_for(connection: Connection, state: str, *, leased: bool = False) -> list[tuple[str, int, int, int]]:
    """Return what was asked for of scarce things, oldest first: request, device, quota, units.

    `leased` leaves out what no lease is said to hold.
    """
    rows = connection.execute(
        "SELECT r.request, r.device, r.kind, r.subject, r.data, r.units, l.quota FROM requests r"
        " LEFT JOIN leases l ON l.lease = r.lease WHERE r.state = ? AND r.doubt = 0"
        f"{' AND r.lease IS NOT NULL' if leased else ''} ORDER BY r.n",
        [state],
    ).fetchall()
    found = []
    for request, device, kind, subject, data, units, held in rows:
        answers = json.loads(data)
        quota = (held, "") if held is not None else _of(connection, kind, subject, answers)
        if quota is not None:
            needed = int(units) if held is not None else _needed(quota[1], answers)
            found.append((request, int(device), int(quota[0]), needed))
    return found


def is_held(connection: Connection, number: int) -> bool:
    """Tell whether a lease of its device holds request `number`, whatever has become of the lease (R-408, R-409)."""
    lease, units, device = connection.execute(
        "SELECT lease, units, device FROM requests WHERE n = ?", [number]
    ).fetchone()
    granted = connection.execute(
        "SELECT coalesce(returned, units), quota FROM leases WHERE lease = ? AND device = ?", [lease, device]
    ).fetchone()
    if granted is None:
        return False
    lock(connection, granted[1])
    spent = connection.execute(
        "SELECT coalesce(sum(units), 0) FROM requests WHERE lease = ? AND doubt = 0 AND state IN ('accepted', 'done')",
        [lease],
    ).fetchone()[0]
    return bool(int(spent) + int(units) <= int(granted[0]))


def shown(connection: Connection) -> list[dict[str, Any]]:
    """Return each scarce thing with what is taken, promised by leases that run, and in doubt."""
    rows = connection.execute(
        "SELECT q.n, q.kind, q.subject, q.slot, q.each, q.capacity, q.share,"
        " (SELECT count(*) FROM leases l WHERE l.quota = q.n AND l.returned IS NULL) AS leases,"
        " (SELECT coalesce(sum(l.units), 0) FROM leases l WHERE l.quota = q.n AND l.returned IS NULL) AS leased,"
        " (SELECT count(*) FROM requests r WHERE r.doubt = 1 AND r.kind = q.kind AND r.subject = q.subject) AS doubtful"
        " FROM quotas q ORDER BY q.kind, q.subject, q.slot"
    ).fetchall()
    return [{**dict(row), "leased": int(row["leased"]), "taken": taken(connection, row["n"])} for row in rows]


def _of(connection: Connection, kind: str, subject: str, answers: Mapping[str, Any]) -> tuple[int, str] | None:
    """Return number and unit of the finest quota that a request falls under."""
    day, hour = str(answers.get("date", "")), str(answers.get("time", ""))
    row = connection.execute(
        "SELECT n, each FROM quotas WHERE kind = ? AND subject = ? AND slot IN ('', ?, ?) ORDER BY slot DESC LIMIT 1",
        [kind, subject, day, f"{day}T{hour}"],
    ).fetchone()
    return None if row is None else (int(row[0]), row[1])


def _needed(each: str, answers: Mapping[str, Any]) -> int:
    """Return how many units a request takes; more than there can be where its people can't be read."""
    people = str(answers.get("people", "1")) if each == "person" else "1"
    return int(people) if _NUMBER.fullmatch(people) else MOST + 1
