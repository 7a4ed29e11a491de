# SPDX-License-Identifier: EUPL-1.2
"""What the gateway agent follows and closes: grants by what changed, those that are over, blocked devices, the clock.

Every change of a grant, by whomever, gets the next `revision` from a trigger; so one look costs what is new.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from edge_core.settings_zones import FIRST
from edge_core.store import site
from edge_core.store.database import write
from edge_core.store.grants import VOUCHER, Grant

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from edge_core.gateway_key import GatewayKey

_PERMIT = (
    "id, mac, expires_at, ended_at, revision, rate_up, rate_down, quota, zone, CASE WHEN quota IS NOT NULL"
    f" AND devices > 1 AND substr(holder, 1, {len(VOUCHER)}) = '{VOUCHER}' THEN holder END"
)


class Permit(NamedTuple):
    """What the agent needs of a grant: times in seconds since 1970, rates in kbit/s, quota in bytes, None: no limit."""

    id: int
    mac: str
    expires_at: float
    ended_at: float | None = None
    revision: int = 0
    rate_up: int | None = None
    rate_down: int | None = None
    quota: int | None = None
    zone: str = FIRST
    shared: str | None = None
    """The holder whose devices use up one quota together."""

    def remaining(self, now: float) -> float:
        """Return the seconds left, 0 where it is over."""
        return 0.0 if self.ended_at is not None else max(0.0, self.expires_at - now)


class Site(NamedTuple):
    """The site that a block is for: its key, and the name of this gateway."""

    key: GatewayKey
    gateway: str


def changed(connection: sqlite3.Connection, since: int | None) -> tuple[list[Permit], int]:
    """Return the grants changed after revision `since`, ended ones included, and the revision reached.

    With None: every grant that was not ended.
    """
    cursor = connection.cursor()
    cursor.row_factory = None  # plain tuples: there may be 15,000
    if since is None:
        # The number first: what changes between the two questions is told twice rather than never.
        top = int(cursor.execute("SELECT coalesce(max(revision), 0) FROM grants").fetchone()[0])
        rows = cursor.execute(f"SELECT {_PERMIT} FROM grants WHERE ended_at IS NULL").fetchall()
    else:
        rows = cursor.execute(f"SELECT {_PERMIT} FROM grants WHERE revision > ?", [since]).fetchall()
        top = max((row[4] for row in rows), default=since)
    return [Permit._make(row) for row in rows], top


def over(connection: sqlite3.Connection, now: float, most: int) -> list[Grant]:
    """Return up to `most` grants that are over (ended, or expired) and whose usage was not told yet."""
    columns = "id, session, mac, plan, created_at, expires_at, ended_at, end_reason, adopted"
    rows = connection.execute(
        f"SELECT {columns} FROM grants WHERE mac <> '' AND ended_at IS NOT NULL"
        f" UNION ALL SELECT {columns} FROM grants WHERE mac <> '' AND ended_at IS NULL AND expires_at <= ? LIMIT ?",
        [now, most],
    )
    return [replace(Grant(*row[:8]), adopted=row[8]) for row in rows]


def shift(connection: sqlite3.Connection, seconds: float, up_to: int) -> int:
    """Move the open grants with an id up to `up_to` by `seconds`: the wall clock was set, their time goes on.

    Returns how many. Called once for each step of the clock, in one transaction with the note that it was done.
    """
    done = connection.execute(
        "UPDATE grants SET created_at = created_at + ?, expires_at = expires_at + ?"
        " WHERE ended_at IS NULL AND mac <> '' AND id <= ?",
        [seconds, seconds, up_to],
    )
    connection.execute(  # the time of a code runs with the session that it opened
        "UPDATE vouchers SET used_at = used_at + ? WHERE used_at IS NOT NULL"
        " AND ? || CASE WHEN site THEN lower(hex(substr(digest, 1, 16))) ELSE id END IN"
        " (SELECT holder FROM grants WHERE ended_at IS NULL AND mac <> '' AND id <= ?)",
        [seconds, VOUCHER, up_to],
    )
    return done.rowcount


def blocked(connection: sqlite3.Connection, key: GatewayKey | None = None) -> set[str]:
    """Return the MACs that may do nothing here; with the site's key, without those let in again elsewhere since."""
    macs = {row[0] for row in connection.execute("SELECT mac FROM blocks")}
    lifted = {word.device for word in site.blocks(connection) if not word.blocked} if key and macs else set()
    return {mac for mac in macs if key.device(mac) not in lifted} if key and lifted else macs


def block(connection: sqlite3.Connection, mac: str, now: float, whole: Site | None = None) -> bool:
    """Shut a device out, ending its session; with `whole`, on the whole site. False where it was blocked already."""
    with write(connection):
        word = site.word_on(connection, whole.key.device(mac)) if whole else None
        if whole and not (word and word.blocked):
            site.say_block(connection, whole.key.device(mac), whole.gateway, blocked=True)
        added = connection.execute("INSERT INTO blocks VALUES (?, ?) ON CONFLICT DO NOTHING", [mac, now]).rowcount
        connection.execute(
            "UPDATE grants SET ended_at = min(?, expires_at), end_reason = 'blocked'"
            " WHERE mac = ? AND ended_at IS NULL",
            [now, mac],
        )
        return bool(added or (word and not word.blocked))


def unblock(connection: sqlite3.Connection, mac: str, whole: Site | None = None) -> bool:
    """Let a device in again, with `whole` wherever on the site it was shut out; False where it was not blocked."""
    with write(connection):
        word = site.word_on(connection, whole.key.device(mac)) if whole else None
        known = connection.execute("DELETE FROM blocks WHERE mac = ?", [mac]).rowcount
        if whole and (known or (word and word.blocked)):
            site.say_block(connection, whole.key.device(mac), whole.gateway, blocked=False)
        return bool(known or (word and word.blocked))


def end(connection: sqlite3.Connection, ids: Iterable[int], reason: str, now: float) -> None:
    """End grants by their ids."""
    with write(connection):
        end_within(connection, ids, reason, now)


def end_within(connection: sqlite3.Connection, ids: Iterable[int], reason: str, now: float) -> None:
    """End grants by their ids inside the caller's transaction."""
    connection.executemany(
        "UPDATE grants SET ended_at = min(?, expires_at), end_reason = ? WHERE id = ? AND ended_at IS NULL",
        [(now, reason, number) for number in ids],
    )


def prolong(connection: sqlite3.Connection, grant: int, until: float, extended: int) -> None:
    """Let a grant last until `until`, as another gateway has it, inside the caller's transaction."""
    connection.execute(
        "UPDATE grants SET expires_at = ?, extended = ? WHERE id = ? AND ended_at IS NULL", [until, extended, grant]
    )


def known(connection: sqlite3.Connection, ids: Iterable[int]) -> list[int]:
    """Return those of `ids` that are grants here: a flow's mark may be left from another database."""
    question = "SELECT 1 FROM grants WHERE id = ?"
    return [number for number in ids if connection.execute(question, [number]).fetchone()]
