# SPDX-License-Identifier: EUPL-1.2
"""What people asked for: written with its event in one transaction, then moved along by the platform's replies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uuid6

from edge_core import events, events_reception
from edge_core.store import budget, outbox, quotas
from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3

_COLUMNS = "id, kind, subject, data, place, state, reason, reference, created_at, updated_at, lease, units"
# A state is never followed by one to its left: a reply that comes late or twice changes nothing.
STATES = ("recorded", "sent", "waitlisted", "accepted", "rejected", "done")
UNDECIDED = ("recorded", "sent")
BOOKINGS = ("room", "desk", "lunch", "bike", "event")
"""Kinds of things of which there are only so many."""


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
    lease: str | None = None
    units: int | None = None

    @property
    def is_confirmed(self) -> bool:
        """Tell whether it was promised here, out of a lease, and the platform hasn't spoken yet."""
        return self.lease is not None and self.state in UNDECIDED

    @property
    def is_provisional(self) -> bool:
        """Tell whether it asks for something scarce that nobody has promised yet."""
        return self.kind in BOOKINGS and self.lease is None and self.state in UNDECIDED


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

    Where this device holds a lease with room for it, it is confirmed: its units are spent in the same transaction.
    `form` names the filled-in form that this came from: sent again, it returns the request that it made at first.
    Raises StoreError where it can't be recorded: then the page must say so.
    """
    key, words = str(uuid6.uuid7()), json.dumps(data, ensure_ascii=False)
    with write(connection):
        budget.require_room(connection)
        earlier = connection.execute("SELECT id FROM requests WHERE form = ?", [form]).fetchone() if form else None
        if earlier and (found := get(connection, earlier[0])):
            return found
        spent = quotas.spend(connection, kind, subject, data, now)
        lease, units = (spent.lease, spent.units) if spent else (None, None)
        request = Request(key, kind, subject, data, place, "recorded", None, None, now, now, lease, units)
        seq = outbox.append(connection, _event(request), now)
        connection.execute(
            f"INSERT INTO requests ({_COLUMNS}, form, seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [key, kind, subject, words, place, "recorded", None, None, now, now, lease, units, form, seq],
        )
    return request


def _event(made: Request) -> events.RequestCreated:
    told: dict[str, Any] = {"request": made.id, "kind": made.kind, "subject": made.subject, "place": made.place}
    if made.lease is None or made.units is None:
        return events.RequestCreated(**told, answers=made.data)
    return events.RequestConfirmed(**told, answers=made.data, lease=made.lease, units=made.units)


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


def is_for_the_desk(request: Request) -> bool:
    """Tell whether the reception may treat it: it waits, and it asks for nothing of which there are only so many."""
    return request.kind not in BOOKINGS and request.state not in ("rejected", "done")


def settle(connection: sqlite3.Connection, key: str, *, state: str, words: str, place: str, now: float) -> bool:
    """Treat a request at the desk (`state`: done or rejected), with its event; False where it isn't the desk's.

    A platform's reply that comes later moves nothing, for no state is further than these.
    """
    with write(connection):
        found = get(connection, key)
        if found is None or not is_for_the_desk(found) or state not in ("done", "rejected"):
            return False
        reason = words or None
        connection.execute(
            "UPDATE requests SET state = ?, reason = ?, updated_at = ? WHERE id = ?", [state, reason, now, key]
        )
        told = events_reception.RequestSettled(request=key, state=state, reason=reason, place=place)
        outbox.append(connection, told, now)
        return True


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
    """Move a request along, inside the caller's transaction; False where it is unknown or already further.

    What was confirmed to a person is never put on a waiting list.
    """
    row = connection.execute("SELECT state, lease FROM requests WHERE id = ?", [request]).fetchone()
    if row is None or state not in STATES or STATES.index(state) <= STATES.index(row[0]):
        return False
    if row[1] is not None and state == "waitlisted":
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
