# SPDX-License-Identifier: EUPL-1.2
"""Visits: each change and its event are one transaction, so a visit that a person was shown can't be lost or doubled.

announced → arrived → here → left; a state is never followed by an earlier one. The kiosk and the desk write, `sync`
writes what the platform and the site's other kiosks tell.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uuid6

from edge_core import events_reception
from edge_core.store import budget, outbox, print_jobs
from edge_core.store.database import write
from edge_core.store.vouchers import ALPHABET, normal

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

ANNOUNCED, ARRIVED, HERE, LEFT = STATES = ("announced", "arrived", "here", "left")
HOST, COMPANY, DESK = "host", "company", "desk"
ANSWERS = ("seen", "coming", "wait", "refused")
CODE_LENGTH = 8  # of a ticket: 40 bits, unique among the visits that are kept
COLUMNS = (
    "id, state, company, host, name, people, place, language, asked, why, asked_at, answer, badge, invitation,"
    " expected_from, expected_until, arrived_at, left_at, how, updated_at, version"
)


@dataclass(frozen=True)
class Visit:
    """One visit. `asked` is who was asked last to come (host, company, desk), `why` and `asked_at` say how that came.

    `answer` is what the host said last; `how` the way in which it ended. Moments are seconds since 1970.
    """

    id: str
    state: str
    company: str
    host: str | None
    name: str
    people: int
    place: str
    language: str
    asked: str
    why: str
    asked_at: float | None
    answer: str
    badge: str
    invitation: str | None
    expected_from: float | None
    expected_until: float | None
    arrived_at: float | None
    left_at: float | None
    how: str
    updated_at: float
    version: int

    @property
    def inside(self) -> bool:
        """Tell whether somebody is in the building."""
        return self.state in (ARRIVED, HERE)


@dataclass(frozen=True)
class Ticket:
    """A ticket of a visit: `people` for whom it stands, `wifi` the code of its voucher; over at `left_at`."""

    code: str
    visit: str
    people: int
    wifi: str
    left_at: float | None


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Who comes to whom, as the page has checked it. `form` names the filled-in form: sent twice, it is one visit."""

    company: str
    host: str | None
    name: str
    people: int
    place: str
    language: str
    form: str | None = None


def new_code() -> str:
    """Draw the code of a ticket."""
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def arrive(
    connection: sqlite3.Connection,
    arrival: Arrival,
    tickets: Sequence[tuple[Ticket, Mapping[str, Any]]],
    now: float,
    *,
    expected: str | None = None,
) -> Visit:
    """Record an arrival with its tickets, their print jobs and its event; when this returns, none can be lost.

    `tickets` come with what is printed; `expected` is the announced visit that this is. Repeating is safe: a form sent
    twice, or a visit that has arrived already, is returned as it is. Raises StoreError where it can't be recorded.
    """
    with write(connection):
        budget.require_room(connection)
        earlier = _earlier(connection, arrival.form, expected)
        if earlier is not None:
            return earlier
        key = expected or str(uuid6.uuid7())
        asked = HOST if arrival.host else COMPANY
        event = events_reception.VisitArrived(
            visit=key,
            company=arrival.company,
            host=arrival.host,
            name=arrival.name,
            people=arrival.people,
            place=arrival.place,
            language=arrival.language,
            announced=expected is not None,
        )
        seq = outbox.append(connection, event, now)
        connection.execute(
            "INSERT INTO visits (id, state, company, host, name, people, place, language, asked, why, asked_at,"
            " arrived_at, updated_at, seq, form) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'arrival', ?10, ?10, ?10,"
            " ?11, ?12) ON CONFLICT (id) DO UPDATE SET state = ?2, name = ?5, people = ?6, place = ?7, language = ?8,"
            " asked = ?9, why = 'arrival', asked_at = ?10, arrived_at = ?10, updated_at = ?10, seq = ?11, form = ?12,"
            " version = version + 1",
            [key, ARRIVED, arrival.company, arrival.host, arrival.name, arrival.people, arrival.place,
             arrival.language, asked, now, seq, arrival.form],
        )  # fmt: skip
        for ticket, paper in tickets:
            connection.execute(
                "INSERT INTO visit_tickets (code, visit, people, wifi) VALUES (?, ?, ?, ?)",
                [ticket.code, key, ticket.people, ticket.wifi],
            )
            print_jobs.add(connection, ticket.code, paper, now)
        return _require(connection, key)


def announce(connection: sqlite3.Connection, key: str, told: Mapping[str, Any], now: float) -> bool:
    """Note, inside the caller's transaction, a visit that the platform announces; False where it is further already.

    `told` has company, host, name, people, code, expected_from and expected_until, checked. Repeating is safe.
    """
    found = get(connection, key)
    if found is not None and found.state != ANNOUNCED:
        return False
    connection.execute(
        "INSERT INTO visits (id, state, company, host, name, people, invitation, expected_from, expected_until,"
        " updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO UPDATE SET company = ?3,"
        " host = ?4, name = ?5, people = ?6, invitation = ?7, expected_from = ?8, expected_until = ?9,"
        " updated_at = ?10, version = version + 1",
        [key, ANNOUNCED, told["company"], told["host"], told["name"], told["people"], told["code"],
         told["expected_from"], told["expected_until"], now],
    )  # fmt: skip
    return True


def answer(connection: sqlite3.Connection, key: str, said: str, now: float) -> bool:
    """Note, inside the caller's transaction, what the host said; False where nobody waits for it."""
    found = get(connection, key)
    if found is None or not found.inside or said not in ANSWERS:
        return False
    _change(connection, key, now, answer=said, state=HERE if said == "coming" else found.state)
    if said == "refused":
        ask(connection, key, DESK, "refused", now)
    return True


def ask(connection: sqlite3.Connection, key: str, whom: str, why: str, now: float) -> None:
    """Ask somebody to come, inside the caller's transaction, and tell the platform."""
    outbox.append(connection, events_reception.VisitAsked(visit=key, asked=whom, reason=why), now)
    _change(connection, key, now, asked=whom, why=why, asked_at=now, answer="")


def receive(connection: sqlite3.Connection, key: str, now: float) -> bool:
    """Note that somebody took care of the visitor; False where nobody waits."""
    with write(connection):
        found = get(connection, key)
        if found is None or found.state != ARRIVED:
            return False
        _change(connection, key, now, state=HERE)
        return True


def give_badge(connection: sqlite3.Connection, key: str, badge: str, now: float) -> bool:
    """Note the number of the badge that was handed out; "" takes it back."""
    with write(connection):
        found = get(connection, key)
        if found is None or not found.inside:
            return False
        _change(connection, key, now, badge=badge)
        return True


def leave(connection: sqlite3.Connection, key: str, how: str, now: float) -> bool:
    """End a visit with all its tickets, and tell the platform; False where it is over. `how`: name, desk, night."""
    with write(connection):
        return _leave(connection, key, how, now)


def return_ticket(connection: sqlite3.Connection, code: str, now: float) -> Visit | None:
    """Take a ticket back at the exit, the visit ends with its last one; None where no such ticket is known.

    A ticket that comes twice changes nothing.
    """
    with write(connection):
        found = ticket(connection, code)
        if found is None:
            return None
        done = connection.execute(
            "UPDATE visit_tickets SET left_at = ? WHERE code = ? AND left_at IS NULL", [now, found.code]
        )
        if done.rowcount:
            _change(connection, found.visit, now)
        if not any(each.left_at is None for each in tickets_of(connection, found.visit)):
            _leave(connection, found.visit, "ticket", now)
        return _require(connection, found.visit)


def get(connection: sqlite3.Connection, key: str) -> Visit | None:
    """Return a visit by its id."""
    row = connection.execute(f"SELECT {COLUMNS} FROM visits WHERE id = ?", [key]).fetchone()
    return Visit(*row) if row else None


def invited(connection: sqlite3.Connection, code: str) -> Visit | None:
    """Return the visit that was announced under a code, however it is written."""
    row = connection.execute(f"SELECT {COLUMNS} FROM visits WHERE invitation = ?", [normal(code)]).fetchone()
    return Visit(*row) if row else None


def ticket(connection: sqlite3.Connection, code: str) -> Ticket | None:
    """Return a ticket by its code, however it is written."""
    row = connection.execute("SELECT * FROM visit_tickets WHERE code = ?", [normal(code)]).fetchone()
    return Ticket(*row) if row else None


def tickets_of(connection: sqlite3.Connection, key: str) -> list[Ticket]:
    """Return the tickets of a visit."""
    rows = connection.execute("SELECT * FROM visit_tickets WHERE visit = ? ORDER BY code", [key]).fetchall()
    return [Ticket(*row) for row in rows]


def of_state(connection: sqlite3.Connection, *states: str, since: float = 0.0, limit: int = 2000) -> list[Visit]:
    """Return the visits in these states that changed since a moment, the latest first."""
    marks = ", ".join("?" * len(states))
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM visits WHERE state IN ({marks}) AND updated_at >= ? ORDER BY updated_at DESC LIMIT ?",
        [*states, since, limit],
    ).fetchall()
    return [Visit(*row) for row in rows]


def told(connection: sqlite3.Connection, key: str) -> bool:
    """Tell whether the platform has acknowledged the arrival; one of another kiosk counts as told."""
    waiting = "SELECT 1 FROM visits JOIN outbox ON outbox.seq = visits.seq WHERE visits.id = ?"
    return connection.execute(waiting, [key]).fetchone() is None


def _earlier(connection: sqlite3.Connection, form: str | None, expected: str | None) -> Visit | None:
    """Return the visit that a form has made, or the announced one where it has arrived."""
    row = connection.execute("SELECT id FROM visits WHERE form = ?", [form]).fetchone() if form else None
    found = get(connection, row[0] if row else expected or "")
    return found if found and found.state != ANNOUNCED else None


def _leave(connection: sqlite3.Connection, key: str, how: str, now: float) -> bool:
    found = get(connection, key)
    if found is None or not found.inside:
        return False
    outbox.append(connection, events_reception.VisitLeft(visit=key, how=how), now)
    connection.execute("UPDATE visit_tickets SET left_at = ? WHERE visit = ? AND left_at IS NULL", [now, key])
    _change(connection, key, now, state=LEFT, left_at=now, how=how, badge="")
    return True


def _change(connection: sqlite3.Connection, key: str, now: float, **values: Any) -> None:
    """Set columns (their names are ours, never a person's) and give the row its next version."""
    changes = "".join(f"{name} = ?, " for name in values)
    connection.execute(
        f"UPDATE visits SET {changes}updated_at = ?, version = version + 1 WHERE id = ?", [*values.values(), now, key]
    )


def _require(connection: sqlite3.Connection, key: str) -> Visit:
    row = connection.execute(f"SELECT {COLUMNS} FROM visits WHERE id = ?", [key]).fetchone()
    return Visit(*row)
