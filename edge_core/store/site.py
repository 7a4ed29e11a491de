# SPDX-License-Identifier: EUPL-1.2
"""What the other gateways of this site told: sessions, usage, vouchers, blocks. `sync` writes it, others read.

(`parvis block` writes its own word on a device here too.) Devices are keyed hashes, times are by this gateway's clock.
Merging is the same in any order and when repeated, so messages may be lost, doubled or late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edge_core.settings_zones import FIRST

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_TOLERANCE = 2.0  # seconds by which two gateways' words on one moment differ anyway
_DAY = 86400.0
_SHORT, _LONG = 31 * _DAY, 400 * _DAY
MOST_SESSIONS, MOST_BLOCKS, MOST_VOUCHERS = 100_000, 10_000, 200_000
"""Rows kept: a gateway gone mad must not fill our disk."""


class SiteSession(NamedTuple):
    """A session as another gateway has it. `device` is empty where that gateway has forgotten it already."""

    session: str
    device: bytes
    plan: str
    created_at: float
    expires_at: float
    end_reason: str | None
    rate_up: int | None
    rate_down: int | None
    quota: int | None
    holder: str
    devices: int | None
    extended: int
    zone: str = FIRST


class SiteVoucher(NamedTuple):
    """A voucher of the site; `digest` is the keyed hash of its code under the site's key."""

    digest: bytes
    batch: str
    plan: str
    seconds: int
    rate_up: int | None
    rate_down: int | None
    quota: int | None
    devices: int
    made_at: float
    valid_until: float
    used_at: float | None
    revoked_at: float | None


class SiteBlock(NamedTuple):
    """Whether a device is shut out, and by which word: the higher version wins, then the gateway's name."""

    device: bytes
    blocked: bool
    version: int
    gateway: str


_SESSION, _VOUCHER = ", ".join(SiteSession._fields), ", ".join(SiteVoucher._fields)


def newer(old: SiteSession | None, told: SiteSession) -> SiteSession | None:
    """Return what is to be kept of a session instead of `old`; None where that stays. An end is for good."""
    if old is None:
        return told
    if old.end_reason is not None:
        return None
    if told.end_reason is not None:
        return old._replace(end_reason=told.end_reason)
    if told.extended != old.extended:
        return told if told.extended > old.extended else None
    return old._replace(expires_at=told.expires_at) if abs(told.expires_at - old.expires_at) > _TOLERANCE else None


def too_many(here: Iterable[tuple[int, str]], elsewhere: Iterable[str], devices: int) -> list[int]:
    """Return the grants to end here of a holder who may have `devices`: all over the site the oldest make room.

    `here` are (grant, session), `elsewhere` sessions; one that goes on in both places counts once.
    """
    own = {session: number for number, session in here}
    oldest = sorted({*own, *elsewhere})[: max(0, len({*own, *elsewhere}) - devices)]
    return [own[session] for session in oldest if session in own]


def merge_sessions(connection: sqlite3.Connection, told: Iterable[SiteSession]) -> int:
    """Take in sessions, inside the caller's transaction; return how many were news."""
    change = _top(connection)
    room = MOST_SESSIONS - int(connection.execute("SELECT count(*) FROM site_sessions").fetchone()[0])
    news = 0
    for each in told:
        row = connection.execute(f"SELECT {_SESSION} FROM site_sessions WHERE session = ?", [each.session]).fetchone()
        kept = newer(SiteSession(*row) if row else None, each)
        if kept is None or (row is None and news >= room):
            continue
        news += 1
        marks = ", ".join("?" * len(kept))
        connection.execute(
            f"INSERT OR REPLACE INTO site_sessions ({_SESSION}, change) VALUES ({marks}, ?)", [*kept, change + 1]
        )
    return news


def merge_usage(connection: sqlite3.Connection, gateway: str, told: Iterable[tuple[str, int]], now: float) -> None:
    """Take in the bytes that a gateway counted by session or holder; a lower number than before is an old word."""
    connection.executemany(
        "INSERT INTO site_usage (subject, gateway, bytes, at) VALUES (?, ?, ?, ?) ON CONFLICT (subject, gateway)"
        " DO UPDATE SET bytes = excluded.bytes, at = excluded.at WHERE excluded.bytes > bytes",
        [(subject, gateway, count, now) for subject, count in told],
    )


def merge_vouchers(connection: sqlite3.Connection, told: Iterable[SiteVoucher]) -> int:
    """Take in vouchers; the first use counts, and a revocation is for good. Return how many were news."""
    room = MOST_VOUCHERS - int(connection.execute("SELECT count(*) FROM site_vouchers").fetchone()[0])
    news = 0
    for each in told:
        row = connection.execute(f"SELECT {_VOUCHER} FROM site_vouchers WHERE digest = ?", [each.digest]).fetchone()
        old = SiteVoucher(*row) if row else None
        kept = each if old is None else old._replace(
            used_at=_earlier(old.used_at, each.used_at), revoked_at=_earlier(old.revoked_at, each.revoked_at)
        )  # fmt: skip
        if kept == old or (old is None and news >= room):
            continue
        news += 1
        marks = ", ".join("?" * len(kept))
        connection.execute(f"INSERT OR REPLACE INTO site_vouchers ({_VOUCHER}) VALUES ({marks})", list(kept))
    return news


def _earlier(old: float | None, told: float | None) -> float | None:
    """Return the earlier moment; one that differs by a message's time on the way is the same."""
    if old is None or told is None:
        return told if old is None else old
    return told if told < old - _TOLERANCE else old


def word_on(connection: sqlite3.Connection, device: bytes) -> SiteBlock | None:
    """Return the newest word on a device."""
    row = connection.execute(
        "SELECT device, blocked, version, gateway FROM site_blocks WHERE device = ?", [device]
    ).fetchone()
    return SiteBlock(row[0], bool(row[1]), row[2], row[3]) if row else None


def merge_block(connection: sqlite3.Connection, told: SiteBlock) -> bool:
    """Take in a word on a device, inside the caller's transaction; False where a newer one is known."""
    old = word_on(connection, told.device)
    if old and (old.version, old.gateway) >= (told.version, told.gateway):
        return False
    if old is None and connection.execute("SELECT count(*) FROM site_blocks").fetchone()[0] >= MOST_BLOCKS:
        return False
    connection.execute(
        "INSERT OR REPLACE INTO site_blocks (device, blocked, version, gateway) VALUES (?, ?, ?, ?)",
        [told.device, int(told.blocked), told.version, told.gateway],
    )
    return True


def say_block(connection: sqlite3.Connection, device: bytes, gateway: str, *, blocked: bool) -> None:
    """Write this gateway's own word on a device, newer than any known, inside the caller's transaction."""
    old = word_on(connection, device)
    merge_block(connection, SiteBlock(device, blocked, (old.version if old else 0) + 1, gateway))


def blocks(connection: sqlite3.Connection) -> list[SiteBlock]:
    """Return every word on a device."""
    rows = connection.execute("SELECT device, blocked, version, gateway FROM site_blocks")
    return [SiteBlock(row[0], bool(row[1]), row[2], row[3]) for row in rows]


def changed(connection: sqlite3.Connection, since: int) -> tuple[list[SiteSession], int]:
    """Return the sessions that are news after `since`, and the number reached."""
    rows = connection.execute(f"SELECT {_SESSION} FROM site_sessions WHERE change > ?", [since]).fetchall()
    return [SiteSession(*row) for row in rows], _top(connection)


def of_device(connection: sqlite3.Connection, device: bytes, now: float) -> SiteSession | None:
    """Return the newest session that a device has elsewhere at `now`."""
    row = connection.execute(
        f"SELECT {_SESSION} FROM site_sessions WHERE device = ? AND end_reason IS NULL AND expires_at > ?"
        " ORDER BY session DESC LIMIT 1",
        [device, now],
    ).fetchone()
    return SiteSession(*row) if row else None


def by_holder(connection: sqlite3.Connection, holder: str, now: float) -> list[SiteSession]:
    """Return the open sessions elsewhere of one holder's devices."""
    rows = connection.execute(
        f"SELECT {_SESSION} FROM site_sessions WHERE holder = ? AND holder <> '' AND end_reason IS NULL"
        " AND expires_at > ?",
        [holder, now],
    )
    return [SiteSession(*row) for row in rows]


def used_elsewhere(connection: sqlite3.Connection, subject: str) -> int:
    """Return the bytes that other gateways counted for a session, or for a holder."""
    row = connection.execute("SELECT coalesce(sum(bytes), 0) FROM site_usage WHERE subject = ?", [subject]).fetchone()
    return int(row[0])


def revoked_grants(connection: sqlite3.Connection) -> list[int]:
    """Return our open grants of vouchers that another gateway has revoked."""
    rows = connection.execute(
        "SELECT grants.id FROM site_vouchers JOIN grants ON holder = 'voucher:' || lower(hex(substr(digest, 1, 16)))"
        " WHERE revoked_at IS NOT NULL AND ended_at IS NULL"
    )
    return [row[0] for row in rows]


def open_usage(connection: sqlite3.Connection) -> dict[int, int]:
    """Return the bytes that other gateways counted for our open grants, by the grant's id."""
    rows = connection.execute(
        "SELECT grants.id, sum(bytes) FROM site_usage JOIN grants ON session = subject WHERE ended_at IS NULL"
        " GROUP BY grants.id"
    )
    return {row[0]: int(row[1]) for row in rows}


def tidy(connection: sqlite3.Connection, now: float) -> None:
    """Forget, inside the caller's transaction, what is over: a session's end is remembered until its time is up."""
    connection.execute("DELETE FROM site_sessions WHERE expires_at < ? AND change < ?", [now - 60, _top(connection)])
    connection.execute(
        "DELETE FROM site_usage WHERE at < CASE WHEN subject LIKE 'voucher:%' THEN ? ELSE ? END",
        [now - _LONG, now - _SHORT],
    )
    over = "DELETE FROM site_vouchers WHERE coalesce(revoked_at, used_at + seconds, valid_until) < ?"
    connection.execute(over, [now - _SHORT])


def _top(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(change), 0) FROM site_sessions").fetchone()[0])
