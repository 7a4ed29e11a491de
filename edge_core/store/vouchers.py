# SPDX-License-Identifier: EUPL-1.2
"""Vouchers and short codes: made, told once, and kept only as a keyed hash. The portal and its command write them.

Whoever reads edge.db can use none of them; whoever has the key file and the database can only try codes one by one.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_core.store.database import write
from edge_core.store.grants import VOUCHER, Holder, Limits

if TYPE_CHECKING:
    import sqlite3

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no letter that is read as another
LENGTH = 10  # characters: 50 bits
_READ_AS = str.maketrans("OIL", "011")
_LONGEST = 40
_HOLDER_DIGITS = 32  # of a digest's beginning, in the holder of a voucher of the whole site
_TERMS = "batch, plan, seconds, rate_up, rate_down, quota, devices, made_at, valid_until"
# What another gateway knows of a voucher counts here too: its first use, and that it was revoked.
_KNOWN = """(SELECT v.id, v.batch, v.plan, v.seconds, v.rate_up, v.rate_down, v.quota, v.devices, v.made_at,
 v.valid_until, coalesce(min(v.used_at, s.used_at), v.used_at, s.used_at) AS used_at,
 coalesce(v.revoked_at, s.revoked_at) AS revoked_at, v.digest, v.site
 FROM vouchers v LEFT JOIN site_vouchers s ON v.site AND s.digest = v.digest
 UNION ALL SELECT 0, batch, plan, seconds, rate_up, rate_down, quota, devices, made_at, valid_until, used_at,
 revoked_at, digest, 1 FROM site_vouchers WHERE digest NOT IN (SELECT digest FROM vouchers))"""


@dataclass(frozen=True)
class Voucher:
    """What a code gives. Its time runs from the first use on, whatever device it moves to.

    `site`: it counts at every gateway of the site; `id` is 0 as long as only another one has seen it.
    """

    id: int
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
    digest: bytes = b""
    site: int = 0

    @property
    def holder(self) -> Holder:
        """Whose devices its devices are; all over the site, a number of one gateway would mean nothing."""
        return Holder(f"{VOUCHER}{self.digest[:16].hex() if self.site else self.id}", self.devices)

    @property
    def limits(self) -> Limits:
        """What it allows beside its time; the quota counts for all its devices together."""
        return Limits(self.rate_up, self.rate_down, self.quota)

    def left(self, now: float) -> float:
        """Return the seconds that a device would have now; 0 where it is over, or was not used in time."""
        if self.revoked_at is not None:
            return 0.0
        if self.used_at is None:
            return float(self.seconds) if now < self.valid_until else 0.0
        return max(0.0, min(self.used_at + self.seconds - now, self.seconds))

    def state(self, now: float) -> str:
        """Return "new", "used" (and it still holds), "over", "late" (never used in time) or "revoked"."""
        if self.revoked_at is not None:
            return "revoked"
        if self.used_at is None:
            return "new" if now < self.valid_until else "late"
        return "used" if self.left(now) else "over"


def spoken(code: str) -> str:
    """Return a code as people read it: two groups of five."""
    return f"{code[:5]}-{code[5:]}"


def normal(given: str) -> str:
    """Return what a person wrote as a code would be written: without spaces and hyphens, O as 0, I and L as 1."""
    letters = "".join(letter for letter in given[:_LONGEST].upper() if letter.isalnum())
    return letters.translate(_READ_AS)


def digest(key: bytes, given: str) -> bytes:
    """Return the keyed hash of a code, however it is written."""
    return hmac.digest(key, b"voucher\0" + normal(given).encode("utf-8", "surrogatepass"), "sha256")


def make(  # the parts of what a code gives
    connection: sqlite3.Connection,
    key: bytes,
    *,
    batch: str,
    plan: str,
    seconds: int,
    limits: Limits,
    devices: int,
    count: int,
    valid_until: float,
    now: float,
    site: bool = False,
) -> list[str]:
    """Make `count` codes in one transaction and return them: they are told here, and never again.

    `site`: `key` is the same at every gateway of the site, where the codes count too.
    """
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(LENGTH)) for _ in range(count)]
    terms = [batch, plan, seconds, limits.rate_up, limits.rate_down, limits.quota, devices, now, valid_until, int(site)]
    with write(connection):
        connection.executemany(
            f"INSERT INTO vouchers (digest, {_TERMS}, site) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [[digest(key, code), *terms] for code in codes],
        )
    return codes


def admit(  # the parts of what a code gives
    connection: sqlite3.Connection,
    key: bytes,
    code: str,
    *,
    batch: str,
    plan: str,
    seconds: int,
    limits: Limits,
    devices: int,
    valid_until: float,
    now: float,
    site: bool = False,
) -> None:
    """Take in a code that a kiosk has made, as if it had been made here; one that is known stays as it is."""
    terms = [batch, plan, seconds, limits.rate_up, limits.rate_down, limits.quota, devices, now, valid_until, int(site)]
    with write(connection):
        connection.execute(
            f"INSERT INTO vouchers (digest, {_TERMS}, site) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (digest) DO NOTHING",
            [digest(key, code), *terms],
        )


def find(connection: sqlite3.Connection, key: bytes, given: str) -> Voucher | None:
    """Return the voucher of a code. The same work is done whatever was written: time tells nothing about codes."""
    row = connection.execute(f"SELECT * FROM {_KNOWN} WHERE digest = ?", [digest(key, given)]).fetchone()
    return Voucher(*row) if row else None


def get(connection: sqlite3.Connection, number: int) -> Voucher | None:
    """Return a voucher by its number."""
    row = connection.execute(f"SELECT * FROM {_KNOWN} WHERE id = ? AND id > 0", [number]).fetchone()
    return Voucher(*row) if row else None


def quota_of(connection: sqlite3.Connection, holder: str) -> int | None:
    """Return the bytes that all devices of a voucher's holder may use together; None: no limit, or no such voucher."""
    name = holder.removeprefix(VOUCHER)
    if len(name) == _HOLDER_DIGITS:
        low, high = bytes.fromhex(name + "00" * 16), bytes.fromhex(name + "ff" * 16)
        row = connection.execute(f"SELECT quota FROM {_KNOWN} WHERE digest BETWEEN ? AND ?", [low, high]).fetchone()
    else:
        row = connection.execute("SELECT quota FROM vouchers WHERE id = ?", [name]).fetchone()
    return row[0] if row else None


def take_over(connection: sqlite3.Connection, voucher: Voucher) -> int:
    """Have a voucher here that so far only another gateway had, inside the caller's transaction; return its number."""
    connection.execute(
        f"INSERT INTO vouchers (digest, {_TERMS}, used_at, revoked_at, site)"
        f" SELECT digest, {_TERMS}, used_at, revoked_at, 1 FROM site_vouchers WHERE digest = ? ON CONFLICT DO NOTHING",
        [voucher.digest],
    )
    return int(connection.execute("SELECT id FROM vouchers WHERE digest = ?", [voucher.digest]).fetchone()[0])


def use(connection: sqlite3.Connection, voucher: Voucher, now: float) -> None:
    """Let a voucher's time begin, if it has not yet, here or elsewhere."""
    with write(connection):
        number = voucher.id or take_over(connection, voucher)
        began = voucher.used_at if voucher.used_at is not None else now
        connection.execute("UPDATE vouchers SET used_at = ? WHERE id = ? AND used_at IS NULL", [began, number])


def any_left(connection: sqlite3.Connection, now: float) -> bool:
    """Tell whether there is a voucher that could be used."""
    row = connection.execute(
        f"SELECT 1 FROM {_KNOWN} WHERE revoked_at IS NULL AND"
        " CASE WHEN used_at IS NULL THEN valid_until ELSE used_at + seconds END > ? LIMIT 1",
        [now],
    ).fetchone()
    return row is not None


def all_of(connection: sqlite3.Connection, batch: str | None = None) -> list[Voucher]:
    """Return the vouchers of a batch, or all."""
    where, values = ("WHERE batch = ?", [batch]) if batch is not None else ("", [])
    return [Voucher(*row) for row in connection.execute(f"SELECT * FROM {_KNOWN} {where} ORDER BY id", values)]


def revoke(connection: sqlite3.Connection, meant: list[Voucher], now: float) -> int:
    """Revoke vouchers; return how many were not revoked before. Their sessions are the caller's to end."""
    with write(connection):
        return sum(
            connection.execute(
                "UPDATE vouchers SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
                [now, each.id or take_over(connection, each)],
            ).rowcount
            for each in meant
        )


def purge(connection: sqlite3.Connection, before: float) -> int:
    """Delete the vouchers that ended before a moment; return how many."""
    with write(connection):
        return connection.execute(
            "DELETE FROM vouchers WHERE coalesce(revoked_at, used_at + seconds, valid_until) < ?", [before]
        ).rowcount
