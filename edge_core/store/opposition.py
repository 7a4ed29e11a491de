# SPDX-License-Identifier: EUPL-1.2
"""Devices that are not to be counted, each by a keyed hash cut to 24 bits: four million addresses share each value.

Who reads this file learns of no device that it objected. One device in some thousands is left out with another's: a
count that is too low by one is the price of a list that names nobody.
"""

from __future__ import annotations

import secrets
from hashlib import blake2b
from typing import TYPE_CHECKING

from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3

_KEY = "opposition_key"
_TOKEN_BYTES = 3
_DAY = 86400
MOST = 100_000
"""Entries kept: a flood of objections can't fill the disk; the oldest go first."""

_TRIM = "DELETE FROM oppositions WHERE token IN (SELECT token FROM oppositions ORDER BY day DESC LIMIT -1 OFFSET ?)"


def token(key: bytes, mac: str) -> bytes:
    """Return what stands for a device."""
    return blake2b(mac.encode(), key=key, digest_size=_TOKEN_BYTES).digest()


def oppose(connection: sqlite3.Connection, mac: str, now: float) -> None:
    """Note that a device is not to be counted; repeating it begins its time anew. Raises StoreError.

    Only the day is kept: with the minute, the list and a session's start would belong together.
    """
    with write(connection):
        day = int(now) // _DAY * _DAY
        connection.execute("INSERT OR REPLACE INTO oppositions VALUES (?, ?)", [token(_key(connection), mac), day])
        connection.execute(_TRIM, [MOST])


def withdraw(connection: sqlite3.Connection, mac: str) -> None:
    """Count a device again. Raises StoreError."""
    with write(connection):
        connection.execute("DELETE FROM oppositions WHERE token = ?", [token(_key(connection), mac)])


def is_opposed(connection: sqlite3.Connection, mac: str) -> bool:
    """Tell whether a device is not to be counted."""
    key, known = load(connection)
    return bool(known) and token(key, mac) in known


def load(connection: sqlite3.Connection) -> tuple[bytes, frozenset[bytes]]:
    """Return the key and all tokens; no key where nobody has objected yet."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", [_KEY]).fetchone()
    tokens = connection.execute("SELECT token FROM oppositions").fetchall()
    return bytes.fromhex(row[0]) if row else b"", frozenset(bytes(found[0]) for found in tokens)


def _key(connection: sqlite3.Connection) -> bytes:
    fresh = secrets.token_hex(16)
    connection.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING", [_KEY, fresh])
    return bytes.fromhex(connection.execute("SELECT value FROM meta WHERE key = ?", [_KEY]).fetchone()[0])
