# SPDX-License-Identifier: EUPL-1.2
"""What is old goes, a small batch at a time, by the table below: the only module that deletes and forgets.

Of events, old is what arrived long ago: each day's last number is noted, because devices' clocks may say anything. Only
what is acknowledged goes, and each stream remembers up to where: what comes again from there is a duplicate (R-103).
Requests, visits and dead letters lose their words, by the platform's own clock; what is left keeps a request from being
made twice (R-401), a scarce thing from being promised twice (R-407), and the account of what was set aside whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lab.platform import ingest, replies, store

if TYPE_CHECKING:
    from lab.platform.store import Connection

DAY = 86400.0
_BATCH = 2000


class Kept(NamedTuple):
    """One kind of data: what, why, from when its days are counted, what is open and therefore stays.

    Rows of `table`, named by `key`, that are `over` at :before (seconds) or :written (RFC 3339) undergo `act`. `least`
    days they stay, however few are kept.
    """

    data: str
    purpose: str
    since: str
    stays: str
    table: str = ""
    key: str = "n"
    over: str = ""
    act: str = ""
    least: int = 0


_REQUEST = "UPDATE requests SET data = '{}', place = NULL, reason = NULL, changed = NULL"
_VISIT = """UPDATE visits SET host = NULL, name = NULL, people = NULL, place = NULL, code = NULL, reason = NULL,
 changed = NULL"""
_GONE = "(left_at IS NOT NULL OR arrived IS NULL AND coalesce(until, 0) < :before)"
KEPT = (
    Kept(
        "events", "showing and handing on what happened", "they arrived",
        "what is not acknowledged: the device still counts on it",
    ),
    Kept(
        "requests that were refused or done: answers, place, reason", "doing what was asked for", "their last change",
        "those received or on the waiting list: somebody waits for a word; they stand first on the page",
        "requests", over="changed < :before AND state IN ('rejected', 'done')",
        act=_REQUEST,
    ),
    Kept(
        "requests that were accepted: the same", "keeping what was promised", "their last change",
        "at least a year: what was promised may still be to come, and nobody has said that it is done",
        "requests", over="changed < :before AND state = 'accepted'",
        act=_REQUEST, least=366,
    ),
    Kept(
        "visits: host, name, people, place, code, reason", "telling the host; knowing who is in the house",
        "their last change", "whoever has not left: a fire brigade would ask; they stand first on the page",
        "visits", over=f"changed < :before AND {_GONE}",
        act=_VISIT,
    ),
    Kept(
        "visits that nobody has ended: the same", "knowing who is in the house", "their last change",
        "at least a month: a kiosk ends each at night, so one that is open for so long is that of a kiosk that died",
        "visits", over="changed < :before AND arrived IS NOT NULL AND left_at IS NULL",
        act=_VISIT, least=31,
    ),
    Kept(
        "dead letters: their text", "finding out what was wrong with them", "they came first",
        "number, reason and count, looked at or not: none vanishes, but a text may name somebody",
        "dead_letters", over="at < :before AND body IS NOT NULL", act="UPDATE dead_letters SET body = NULL",
    ),
    Kept(
        "replies", "telling devices what was decided", "they were written", "what its device has not confirmed",
        "replies", key="device, n",
        over="at < :written AND n <= (SELECT d.replied FROM devices d WHERE d.id = replies.device)"
        " AND n < (SELECT max(r.n) FROM replies r WHERE r.device = replies.device)",  # the next one counts on from it
        act="DELETE FROM replies",
    ),
)  # fmt: skip
"""What `--keep-days` is about; README.md has it as a table, a line each by `line`."""
# The last of all stays, so that SQLite never gives its number to a new one; what fills a hole, so that it is never told
# as lost (`report`); and the word that tells which devices are kiosks (`visits`).
_OLD = """
SELECT e.n, e.seq, s.id, s.device FROM events e JOIN streams s ON s.id = e.stream
WHERE e.n <= :mark AND e.n < (SELECT max(n) FROM events) AND e.seq <= s.acked
AND e.type <> 'eu.parvis.health.up.v1'
AND NOT EXISTS (SELECT 1 FROM holes h WHERE h.stream = s.id AND e.seq BETWEEN h.first AND h.last)
ORDER BY e.n LIMIT :most
"""


def prune(connection: Connection, now: float, days: int) -> int:
    """Delete some of what arrived before this day less `days`, in a transaction of its own; return how many.

    To be called again and again: each call deletes so few that nobody waits for it.
    """
    today = int(now // DAY)
    with store.transaction(connection):
        _note(connection, today)
        rows = connection.execute(_OLD, {"mark": _mark(connection, today - days), "most": _BATCH}).fetchall()
        if not rows:
            return 0
        ingest.lock_devices(connection, {row[3] for row in rows})
        reached: dict[int, int] = {}
        for _, seq, stream, _ in rows:
            reached[stream] = max(seq, reached.get(stream, 0))
        for stream, seq in sorted(reached.items()):
            connection.execute("UPDATE streams SET pruned = ? WHERE id = ? AND pruned < ?", [seq, stream, seq])
        marks = ", ".join("?" * len(rows))
        return int(connection.execute(f"DELETE FROM events WHERE n IN ({marks})", [row[0] for row in rows]).rowcount)


def line(kind: Kept) -> str:
    """Return its line of the table in README.md."""
    days = f"N days, at least {kind.least}," if kind.least else "N days"
    return f"| {kind.data} | {kind.purpose} | {days} after {kind.since} | {kind.stays} |"


def forget(connection: Connection, now: float, days: int) -> int:
    """Forget some of what has been over for so many `days`, each kind in a transaction of its own; return how many."""
    return sum(_forget(connection, kind, now - max(days, kind.least) * DAY) for kind in KEPT if kind.act)


def _forget(connection: Connection, kind: Kept, before: float) -> int:
    told = {"before": before, "written": replies.rfc3339(before), "most": _BATCH}
    these = f"FROM {kind.table} WHERE {kind.over} ORDER BY {kind.key} LIMIT :most"
    with store.transaction(connection):
        devices = {row[0] for row in connection.execute(f"SELECT device {these}", told).fetchall()}
        if not devices:
            return 0
        ingest.lock_devices(connection, devices - {None})
        return int(connection.execute(f"{kind.act} WHERE ({kind.key}) IN (SELECT {kind.key} {these})", told).rowcount)


def _note(connection: Connection, today: int) -> None:
    """Note once a day which number was the last before it."""
    connection.execute(
        "INSERT INTO arrivals (day, n) SELECT ?, coalesce(max(n), 0) FROM events WHERE true ON CONFLICT DO NOTHING",
        [today],
    )


def _mark(connection: Connection, day: int) -> int:
    """Return the last number that arrived before `day`; earlier days need not be remembered."""
    noted = connection.execute("SELECT max(day), coalesce(max(n), 0) FROM arrivals WHERE day <= ?", [day]).fetchone()
    connection.execute("DELETE FROM arrivals WHERE day < ?", [noted[0] or 0])
    return int(noted[1])
