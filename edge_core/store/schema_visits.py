# SPDX-License-Identifier: EUPL-1.2
"""The tables of visits and of the reception desk, as steps m060 and m061 make them: a landed step never changes."""

from __future__ import annotations

VISITS = (
    # `version` grows with each change: kiosks of a site exchange rows, and the further state wins, then the newer one.
    """CREATE TABLE visits (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        company TEXT NOT NULL,
        host TEXT,
        name TEXT NOT NULL,
        people INTEGER NOT NULL,
        place TEXT NOT NULL DEFAULT '',
        language TEXT NOT NULL DEFAULT 'fr',
        asked TEXT NOT NULL DEFAULT '',
        why TEXT NOT NULL DEFAULT '',
        asked_at REAL,
        answer TEXT NOT NULL DEFAULT '',
        badge TEXT NOT NULL DEFAULT '',
        invitation TEXT,
        expected_from REAL,
        expected_until REAL,
        arrived_at REAL,
        left_at REAL,
        how TEXT NOT NULL DEFAULT '',
        updated_at REAL NOT NULL,
        version INTEGER NOT NULL DEFAULT 1,
        seq INTEGER,
        form TEXT
    ) STRICT, WITHOUT ROWID""",
    "CREATE UNIQUE INDEX visits_form ON visits (form) WHERE form IS NOT NULL",
    "CREATE INDEX visits_invitation ON visits (invitation) WHERE invitation IS NOT NULL",
    "CREATE INDEX visits_state ON visits (state, updated_at)",
    """CREATE TABLE visit_tickets (
        code TEXT PRIMARY KEY,
        visit TEXT NOT NULL REFERENCES visits (id) ON DELETE CASCADE,
        people INTEGER NOT NULL,
        wifi TEXT NOT NULL DEFAULT '',
        left_at REAL
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX visit_tickets_visit ON visit_tickets (visit)",
    "CREATE TABLE roll_calls (id TEXT PRIMARY KEY, started_at REAL NOT NULL, ended_at REAL) STRICT, WITHOUT ROWID",
    """CREATE TABLE roll_ticks (
        roll_call TEXT NOT NULL, ticket TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (roll_call, ticket)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE erasures (
        n INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, before REAL NOT NULL, visits INTEGER NOT NULL,
        digest TEXT NOT NULL
    ) STRICT""",
)

DESK = (
    """CREATE TABLE desk_users (
        name TEXT PRIMARY KEY, secret TEXT NOT NULL, badge BLOB UNIQUE, created_at REAL NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE desk_sessions (
        token BLOB PRIMARY KEY, user TEXT NOT NULL REFERENCES desk_users (name) ON DELETE CASCADE,
        seen_at REAL NOT NULL, until REAL NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE desk_failures (subject TEXT NOT NULL, at REAL NOT NULL) STRICT",
    "CREATE INDEX desk_failures_subject ON desk_failures (subject, at)",
)
