# SPDX-License-Identifier: EUPL-1.2
"""The table of leases of scarce things, as step m091 makes it: a landed step never changes."""

from __future__ import annotations

STATEMENTS = (
    # `slot` is '' for every moment, a day, or a day and an hour; `each` says what takes a unit: a person or a request.
    """CREATE TABLE leases (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, slot TEXT NOT NULL, each TEXT NOT NULL,
    units INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND units), until REAL NOT NULL,
    ended_at REAL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX leases_running ON leases (kind, subject) WHERE ended_at IS NULL",
    # Under which lease a request was confirmed at once, and how many units it took.
    "ALTER TABLE requests ADD COLUMN lease TEXT",
    "ALTER TABLE requests ADD COLUMN units INTEGER",
)
