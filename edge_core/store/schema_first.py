# SPDX-License-Identifier: EUPL-1.2
"""The tables of the first release, as the first step makes them: a landed step never changes."""

from __future__ import annotations

FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- A grant is the wish that a device be online; its id is the conntrack mark of the device's flows.
CREATE TABLE grants (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL UNIQUE,
    mac TEXT NOT NULL,
    plan TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    ended_at REAL,
    end_reason TEXT
) STRICT;
-- A device has one grant at a time, whatever two requests at once may try.
CREATE UNIQUE INDEX grants_open ON grants (mac) WHERE ended_at IS NULL;

-- What a session has used; `closed` once its end was told.
CREATE TABLE usage (
    grant_id INTEGER PRIMARY KEY REFERENCES grants (id),
    up_bytes INTEGER NOT NULL DEFAULT 0,
    up_packets INTEGER NOT NULL DEFAULT 0,
    down_bytes INTEGER NOT NULL DEFAULT 0,
    down_packets INTEGER NOT NULL DEFAULT 0,
    updated_at REAL NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0
) STRICT;

-- AUTOINCREMENT: a number is never used twice, even when the newest row was deleted.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    class TEXT NOT NULL,
    type TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE account (
    class TEXT PRIMARY KEY,
    created INTEGER NOT NULL DEFAULT 0,
    acked INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    data TEXT NOT NULL,
    place TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    reference TEXT,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
"""
