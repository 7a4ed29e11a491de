# SPDX-License-Identifier: EUPL-1.2
"""Counts answers to one-tap questions: once for each device, and nobody's answer is kept beside their device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_core import events
from edge_core.store import outbox
from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3

CHOICES = ("good", "fair", "poor")
MOST = 50_000
"""Answers to one question: above, they come from addresses that somebody makes up, and no more are taken."""


def answer(connection: sqlite3.Connection, *, survey: str, choice: str, device: str, place: str, now: float) -> bool:
    """Count one answer and tell the platform, in one transaction; return whether it was counted.

    It isn't where this device has answered before, or where there are too many answers to be believed. `device` is a
    token that can't be led back to a device, or from one survey to another. Repeating is safe.
    """
    if choice not in CHOICES:
        return False
    with write(connection):
        if sum(counts(connection, survey).values()) >= MOST:
            return False
        done = connection.execute("INSERT INTO answered VALUES (?, ?) ON CONFLICT DO NOTHING", [survey, device])
        if not done.rowcount:
            return False
        connection.execute(
            "INSERT INTO answers VALUES (?, ?, 1) ON CONFLICT (survey, choice) DO UPDATE SET number = number + 1",
            [survey, choice],
        )
        outbox.append(connection, events.SurveyAnswered(survey=survey, choice=choice, place=place), now)
    return True


def counts(connection: sqlite3.Connection, survey: str) -> dict[str, int]:
    """Return how many chose what, for every choice."""
    rows = connection.execute("SELECT choice, number FROM answers WHERE survey = ?", [survey]).fetchall()
    found = {row[0]: int(row[1]) for row in rows}
    return {choice: found.get(choice, 0) for choice in CHOICES}


def has_answered(connection: sqlite3.Connection, survey: str, device: str) -> bool:
    """Tell whether this device has answered."""
    found = connection.execute("SELECT 1 FROM answered WHERE survey = ? AND device = ?", [survey, device])
    return found.fetchone() is not None
