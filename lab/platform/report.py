# SPDX-License-Identifier: EUPL-1.2
"""What the page and /api/state show, read from the store through a read-only connection."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lab.platform import wishes
from lab.platform.replies import DECISIONS

if TYPE_CHECKING:
    from lab.platform.store import Connection

_DEVICES = """
SELECT d.id, d.site, d.name, d.birth, d.seen_at, d.refused, d.replied, s.id AS stream, s.online, s.epoch, s.acked,
    s.received, s.duplicates, s.conflicts,
    (SELECT count(*) FROM dead_letters l WHERE l.device = d.id) AS aside,
    (SELECT count(*) FROM dead_letters l WHERE l.stream = s.id) AS aside_here,
    (SELECT count(*) FROM gaps g WHERE g.stream = s.id) AS gaps,
    (SELECT coalesce(max(n), 0) FROM replies r WHERE r.device = d.id) AS replies
FROM devices d LEFT JOIN streams s ON s.device = d.id
    AND s.epoch = CASE d.epoch WHEN '' THEN (SELECT max(epoch) FROM streams x WHERE x.device = d.id) ELSE d.epoch END
ORDER BY d.site, d.name
"""
_MISSING = """
SELECT h.last - h.first + 1
    - (SELECT count(*) FROM events e WHERE e.stream = h.stream AND e.seq BETWEEN h.first AND h.last)
    - (SELECT count(*) FROM dead_letters l WHERE l.stream = h.stream AND l.seq BETWEEN h.first AND h.last)
FROM holes h WHERE h.stream = ? AND h.declared = ?
"""
# An event's time, put right where its clock was wrong and another event of its boot knows better.
_AT = "CASE WHEN e.synchronised = 1 THEN e.at ELSE coalesce(b.started + e.monotonic, e.at) END"


@dataclass(frozen=True)
class Verdict:
    """One word of `words.VERDICTS`, its grade (good, busy, bad) and the number that it speaks of."""

    word: str
    grade: str
    n: int


def judge(account: dict[str, int] | None, *, acked: int, held: int, lost: int, conflicts: int) -> Verdict:
    """Compare what the device reported (`account`, as of its birth) with what is here: the promise, in one word.

    `held` counts what arrived or was set aside, `lost` what never came and no gap declared.
    """
    if account is None:
        findings = [("conflict", "bad", conflicts), ("lost", "bad", lost)]
        rest = Verdict("unknown", "busy", 0)
    else:
        unexplained = account["created"] - account["acked"] - account["pending"] - account["dropped"]
        findings = [
            ("conflict", "bad", conflicts),
            ("lost", "bad", max(lost, account["acked"] - held)),
            ("unbalanced", "bad", abs(unexplained)),
            ("pending", "busy", account["created"] - acked),
            ("declared", "good", account["dropped"]),
        ]
        rest = Verdict("complete", "good", held)
    return next((Verdict(*finding) for finding in findings if finding[2] > 0), rest)


def devices(connection: Connection) -> list[dict[str, Any]]:
    """Return each device with its state, its loss account and its verdict."""
    return [_device(connection, row) for row in connection.execute(_DEVICES)]


def _device(connection: Connection, row: Any) -> dict[str, Any]:
    birth = json.loads(row["birth"]) if row["birth"] else {}
    missing = [sum(n for (n,) in connection.execute(_MISSING, [row["stream"], declared])) for declared in (1, 0)]
    received, acked = row["received"] or 0, row["acked"] or 0
    verdict = judge(
        birth.get("account"),
        acked=acked,
        held=received + row["aside_here"],
        lost=missing[1],
        conflicts=row["conflicts"] or 0,
    )
    return {
        "site": row["site"],
        "device": row["name"],
        "online": bool(row["online"]),
        "version": birth.get("version"),
        "content": (birth.get("content") or {}).get("version"),
        "received": received,
        "acked_seq": acked,
        "duplicates": row["duplicates"] or 0,
        "conflicts": row["conflicts"] or 0,
        "missing_declared": missing[0],
        "missing_undeclared": missing[1],
        "set_aside": row["aside"],
        "account": birth.get("account"),
        "verdict": asdict(verdict),
        "desired": wishes.shown(connection, row["id"]),
        **{key: row[key] for key in ("epoch", "seen_at", "gaps", "refused", "replies", "replied")},
    }


def totals(connection: Connection) -> dict[str, int]:
    """Return how many events of each type are held."""
    rows = connection.execute("SELECT type, sum(n) FROM totals GROUP BY type ORDER BY type")
    return {row[0]: int(row[1]) for row in rows}


def refusals(connection: Connection) -> dict[str, int]:
    """Return how many messages were refused, for which reason."""
    return {row[0]: row[1] for row in connection.execute("SELECT reason, n FROM refusals ORDER BY reason")}


def requests(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Return requests that are still told of, newest first and open ones ahead, each with what may be decided."""
    rows = connection.execute(
        "SELECT r.request, d.site, d.name AS device, r.kind, r.subject, r.data, r.place, r.at, r.state, r.reason,"
        " r.reference, r.lease, r.units, r.doubt FROM requests r JOIN devices d ON d.id = r.device"
        " WHERE r.changed IS NOT NULL ORDER BY (r.state IN ('received', 'waitlisted')) DESC, r.n DESC LIMIT ?",
        [limit],
    )
    return [{**dict(row), "data": json.loads(row["data"]), "decisions": DECISIONS[row["state"]]} for row in rows]


def sessions(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Return the latest sessions, newest first."""
    rows = connection.execute(
        "SELECT s.session, d.site, d.name AS device, s.plan, s.started, s.ended, s.reason, s.duration, s.up_bytes,"
        " s.down_bytes FROM sessions s JOIN devices d ON d.id = s.device ORDER BY s.n DESC LIMIT ?",
        [limit],
    )
    return [dict(row) for row in rows]


def session_counts(connection: Connection) -> dict[str, int]:
    """Return how many sessions are known, and how many of them have not ended."""
    row = connection.execute("SELECT count(*), count(*) - count(ended) FROM sessions").fetchone()
    return {"all": row[0], "open": row[1]}


def presence(connection: Connection, limit: int) -> dict[str, list[dict[str, Any]]]:
    """Return the latest windows of each zone, oldest first, keyed `site/zone`."""
    rows = connection.execute(
        "SELECT d.site || '/' || p.zone AS zone, p.start, p.seconds, p.associated, p.online FROM presence p"
        " JOIN devices d ON d.id = p.device WHERE p.access_point = '' ORDER BY p.start DESC LIMIT ?",
        [limit * 4],
    )
    zones: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        zones.setdefault(row["zone"], []).append(dict(row))
    return {zone: windows[:limit][::-1] for zone, windows in sorted(zones.items())}


def events(connection: Connection, type_: str | None, limit: int) -> list[dict[str, Any]]:
    """Return the latest events in order of arrival, newest first, with their times put right."""
    chosen, values = ("WHERE e.type = ?", [type_]) if type_ else ("", [])
    rows = connection.execute(
        f"SELECT d.site, d.name AS device, s.epoch, e.seq, e.id, e.class, e.type, {_AT} AS at, e.synchronised, e.data"
        " FROM events e JOIN streams s ON s.id = e.stream JOIN devices d ON d.id = s.device"
        f" LEFT JOIN boots b ON b.device = d.id AND b.boot = e.boot {chosen} ORDER BY e.n DESC LIMIT ?",
        [*values, limit],
    )
    return [{**dict(row), "synchronised": bool(row["synchronised"]), "data": json.loads(row["data"])} for row in rows]


def dead_letters(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Return what was set aside last, newest first."""
    rows = connection.execute(
        "SELECT d.site, d.name AS device, l.seq, l.class, l.at, l.reason, l.body, l.times FROM dead_letters l"
        " JOIN devices d ON d.id = l.device ORDER BY l.n DESC LIMIT ?",
        [limit],
    )
    return [dict(row) for row in rows]
