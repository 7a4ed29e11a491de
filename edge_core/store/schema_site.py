# SPDX-License-Identifier: EUPL-1.2
"""The tables of what the site's other gateways tell, as step m080 makes them: a landed step never changes."""

from __future__ import annotations

STATEMENTS = (
    # How many devices its holder may have online, and whether the session began at another gateway of the site.
    "ALTER TABLE grants ADD COLUMN devices INTEGER",
    "ALTER TABLE grants ADD COLUMN adopted INTEGER NOT NULL DEFAULT 0",
    # A voucher that counts at every gateway of the site: its digest is under the site's key.
    "ALTER TABLE vouchers ADD COLUMN site INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE vouchers ADD COLUMN revision INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX vouchers_revision ON vouchers (revision)",
    # What the site's other gateways told. `device` is a keyed hash of a MAC, times are by this gateway's clock,
    # `change` numbers what is new for the agent.
    """CREATE TABLE site_sessions (
    session TEXT PRIMARY KEY, device BLOB NOT NULL, plan TEXT NOT NULL, created_at REAL NOT NULL,
    expires_at REAL NOT NULL, end_reason TEXT, rate_up INTEGER, rate_down INTEGER, quota INTEGER,
    holder TEXT NOT NULL, devices INTEGER, extended INTEGER NOT NULL,
    zone TEXT NOT NULL, change INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX site_sessions_device ON site_sessions (device)",
    "CREATE INDEX site_sessions_change ON site_sessions (change)",
    "CREATE INDEX site_sessions_holder ON site_sessions (holder) WHERE holder <> ''",
    "CREATE INDEX site_sessions_expires ON site_sessions (expires_at)",
    # Bytes that each other gateway counted, by session or by holder of a code.
    """CREATE TABLE site_usage (subject TEXT NOT NULL, gateway TEXT NOT NULL, bytes INTEGER NOT NULL,
    at REAL NOT NULL, PRIMARY KEY (subject, gateway)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE site_vouchers (
    digest BLOB PRIMARY KEY, batch TEXT NOT NULL, plan TEXT NOT NULL, seconds INTEGER NOT NULL, rate_up INTEGER,
    rate_down INTEGER, quota INTEGER, devices INTEGER NOT NULL, made_at REAL NOT NULL, valid_until REAL NOT NULL,
    used_at REAL, revoked_at REAL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX site_vouchers_batch ON site_vouchers (batch)",
    # The newest word on each device that was ever blocked on this site; the higher version wins, then the name.
    """CREATE TABLE site_blocks (device BLOB PRIMARY KEY, blocked INTEGER NOT NULL, version INTEGER NOT NULL,
    gateway TEXT NOT NULL) STRICT, WITHOUT ROWID""",
)
PAIR = (
    # The leases that the other gateway of a pair gave; `change` numbers what is new for the agent. Step m090.
    """CREATE TABLE site_leases (address TEXT PRIMARY KEY, mac TEXT NOT NULL, ends_at REAL NOT NULL,
    change INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX site_leases_change ON site_leases (change)",
)
