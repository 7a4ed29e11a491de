# SPDX-License-Identifier: EUPL-1.2
"""Who may open the reception desk, their open sessions, and wrong tries; of all these only digests.

The kiosk's pages and the `parvis desk` command write.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3

_FORGET_FAILURES = 86400.0


def add(connection: sqlite3.Connection, name: str, secret: str, now: float) -> None:
    """Give a user a password's slow hash; a known user's is replaced and the sessions end."""
    with write(connection):
        connection.execute("DELETE FROM desk_sessions WHERE user = ?", [name])
        connection.execute(
            "INSERT INTO desk_users (name, secret, created_at) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET secret = excluded.secret",
            [name, secret, now],
        )


def give_badge(connection: sqlite3.Connection, name: str, code: str) -> bool:
    """Give a user a badge, which replaces the one before; False where there is no such user."""
    with write(connection):
        done = connection.execute("UPDATE desk_users SET badge = ? WHERE name = ?", [_digest(code), name])
        return done.rowcount == 1


def remove(connection: sqlite3.Connection, name: str) -> bool:
    """Remove a user with the sessions; False where there is none."""
    with write(connection):
        return connection.execute("DELETE FROM desk_users WHERE name = ?", [name]).rowcount == 1


def names(connection: sqlite3.Connection) -> list[str]:
    """Return the users' names."""
    return [str(row[0]) for row in connection.execute("SELECT name FROM desk_users ORDER BY name")]


def secret_of(connection: sqlite3.Connection, name: str) -> str | None:
    """Return the hash of a user's password."""
    row = connection.execute("SELECT secret FROM desk_users WHERE name = ?", [name]).fetchone()
    return str(row[0]) if row else None


def by_badge(connection: sqlite3.Connection, code: str) -> str | None:
    """Return whose badge a code is."""
    row = connection.execute("SELECT name FROM desk_users WHERE badge = ?", [_digest(code)]).fetchone()
    return str(row[0]) if row else None


def open_session(connection: sqlite3.Connection, user: str, until: float, now: float) -> str:
    """Open a session that ends at `until` at the latest; return its token, which is told here and never again."""
    token = secrets.token_urlsafe(32)
    with write(connection):
        connection.execute("DELETE FROM desk_sessions WHERE until < ?", [now])
        connection.execute("INSERT INTO desk_sessions VALUES (?, ?, ?, ?)", [_digest(token), user, now, until])
    return token


def user_of(connection: sqlite3.Connection, token: str, idle: float, now: float) -> str | None:
    """Return whose session a token is, and note that it is alive; None where it is over or was idle for `idle` s."""
    row = connection.execute(
        "SELECT user, seen_at FROM desk_sessions WHERE token = ? AND until > ? AND seen_at > ?",
        [_digest(token), now, now - idle],
    ).fetchone()
    if row is None:
        return None
    if now - row["seen_at"] > idle / 10:
        with write(connection):
            connection.execute("UPDATE desk_sessions SET seen_at = ? WHERE token = ?", [now, _digest(token)])
    return str(row["user"])


def close_session(connection: sqlite3.Connection, token: str) -> bool:
    """End a session; False where there was none."""
    with write(connection):
        return connection.execute("DELETE FROM desk_sessions WHERE token = ?", [_digest(token)]).rowcount == 1


def note_failure(connection: sqlite3.Connection, subject: str, now: float) -> None:
    """Note a wrong try against a user's name or from an address; kept as a digest, for a day."""
    with write(connection):
        connection.execute("DELETE FROM desk_failures WHERE at < ?", [now - _FORGET_FAILURES])
        connection.execute("INSERT INTO desk_failures VALUES (?, ?)", [_digest(subject).hex(), now])


def failures(connection: sqlite3.Connection, subject: str, since: float) -> int:
    """Return how many wrong tries there were since a moment."""
    row = connection.execute(
        "SELECT count(*) FROM desk_failures WHERE subject = ? AND at > ?", [_digest(subject).hex(), since]
    ).fetchone()
    return int(row[0])


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
