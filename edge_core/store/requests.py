# SPDX-License-Identifier: EUPL-1.2
"""What people asked for: written with its event in one transaction, then moved along by the platform's replies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uuid6

from edge_core import events
from edge_core.store import budget, outbox
from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3

_COLUMNS = "id, kind, subject, data, place, state, reason, reference, created_at, updated_at"
# A state is never followed by one to its left: a reply that comes late or twice changes nothing.
STATES = ("recorded", "sent", "waitlisted", "accepted", "rejected", "done")


@dataclass(frozen=True)
class Request:
    """A request; `id` is a UUIDv7: under it the state can be asked for, and the platform knows a repetition."""

    id: str
    kind: str
    subject: str
    data: dict[str, str]
    place: str
    state: str
    reason: str | None
    reference: str | None
    created_at: float
    updated_at: float


def create(
    connection: sqlite3.Connection,
    *,
    kind: str,
    subject: str,
    data: dict[str, str],
    place: str,
    now: float,
    form: str | None = None,
) -> Request:
    """Record a request and its event; when this returns, neither can be lost.

    `form` names the filled-in form that this came from: sent again, it returns the request that it made at first.
    Raises StoreError where it can't be recorded: then the page must say so.
    """
    request = Request(str(uuid6.uuid7()), kind, subject, data, place, "recorded", None, None, now, now)
    words = json.dumps(data, ensure_ascii=False)
    with write(connection):
        budget.require_room(connection)
        earlier = connection.execute("SELECT id FROM requests WHERE form = ?", [form]).fetchone() if form else None
        if earlier and (found := get(connection, earlier[0])):
            return found
        connection.execute(
            f"INSERT INTO requests ({_COLUMNS}, form) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [request.id, kind, subject, words, place, "recorded", None, None, now, now, form],
        )
        event = events.RequestCreated(request=request.id, kind=kind, subject=subject, place=place, answers=data)
        seq = outbox.append(connection, event, now)
        connection.execute("UPDATE requests SET seq = ? WHERE id = ?", [seq, request.id])
    return request


def get(connection: sqlite3.Connection, key: str) -> Request | None:
    """Return a request by its id."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM requests WHERE id = ?", [key]).fetchone()
    if row is None:
        return None
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Request(**{**values, "data": json.loads(values["data"])})


def latest(connection: sqlite3.Connection, limit: int) -> list[Request]:
    """Return the latest requests, newest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM requests ORDER BY created_at DESC LIMIT ?", [limit]).fetchall()
    return [Request(**{**dict(row), "data": json.loads(row["data"])}) for row in rows]


def has_left(connection: sqlite3.Connection, key: str) -> bool:
    """Tell whether the platform has acknowledged the request; one of an older release counts as acknowledged."""
    waiting = "SELECT 1 FROM requests JOIN outbox ON outbox.seq = requests.seq WHERE requests.id = ?"
    return connection.execute(waiting, [key]).fetchone() is None


def apply_reply(  # the parts of a reply, as contracts/ has them
    connection: sqlite3.Connection,
    *,
    request: str,
    state: str,
    reason: str | None,
    reference: str | None,
    now: float,
) -> bool:
    """Move a request along, inside the caller's transaction; False where it is unknown or already further."""
    row = connection.execute("SELECT state FROM requests WHERE id = ?", [request]).fetchone()
    if row is None or state not in STATES or STATES.index(state) <= STATES.index(row[0]):
        return False
    connection.execute(
        "UPDATE requests SET state = ?, reason = ?, reference = coalesce(?, reference), updated_at = ? WHERE id = ?",
        [state, reason, reference, now, request],
    )
    return True


def cursor(connection: sqlite3.Connection, stream: str) -> int:
    """Return the number of the last reply of that stream that was applied; 0 for a new stream."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", [f"replies:{stream}"]).fetchone()
    return int(row[0]) if row else 0


def set_cursor(connection: sqlite3.Connection, stream: str, n: int) -> None:
    """Remember, inside the caller's transaction, that replies up to `n` of that stream are applied."""
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [f"replies:{stream}", str(n)],
    )
