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
_COLUMNS = "id, batch, plan, seconds, rate_up, rate_down, quota, devices, made_at, valid_until, used_at, revoked_at"


@dataclass(frozen=True)
class Voucher:
    """What a code gives. Its time runs from the first use on, whatever device it moves to."""

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

    @property
    def holder(self) -> Holder:
        """Whose devices its devices are."""
        return Holder(f"{VOUCHER}{self.id}", self.devices)

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
) -> list[str]:
    """Make `count` codes in one transaction and return them: they are told here, and never again."""
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(LENGTH)) for _ in range(count)]
    terms = [batch, plan, seconds, limits.rate_up, limits.rate_down, limits.quota, devices, now, valid_until]
    with write(connection):
        connection.executemany(
            "INSERT INTO vouchers (digest, batch, plan, seconds, rate_up, rate_down, quota, devices, made_at,"
            " valid_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
) -> None:
    """Take in a code that a kiosk has made, as if it had been made here; one that is known stays as it is."""
    terms = [batch, plan, seconds, limits.rate_up, limits.rate_down, limits.quota, devices, now, valid_until]
    with write(connection):
        connection.execute(
            "INSERT INTO vouchers (digest, batch, plan, seconds, rate_up, rate_down, quota, devices, made_at,"
            " valid_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
            [digest(key, code), *terms],
        )


def find(connection: sqlite3.Connection, key: bytes, given: str) -> Voucher | None:
    """Return the voucher of a code. The same work is done whatever was written: time tells nothing about codes."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM vouchers WHERE digest = ?", [digest(key, given)]).fetchone()
    return Voucher(*row) if row else None


def get(connection: sqlite3.Connection, number: int) -> Voucher | None:
    """Return a voucher by its number."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM vouchers WHERE id = ?", [number]).fetchone()
    return Voucher(*row) if row else None


def use(connection: sqlite3.Connection, voucher: Voucher, now: float) -> None:
    """Let a voucher's time begin, if it has not yet."""
    with write(connection):
        connection.execute("UPDATE vouchers SET used_at = ? WHERE id = ? AND used_at IS NULL", [now, voucher.id])


def any_left(connection: sqlite3.Connection, now: float) -> bool:
    """Tell whether there is a voucher that could be used."""
    row = connection.execute(
        "SELECT 1 FROM vouchers WHERE revoked_at IS NULL AND"
        " CASE WHEN used_at IS NULL THEN valid_until ELSE used_at + seconds END > ? LIMIT 1",
        [now],
    ).fetchone()
    return row is not None


def all_of(connection: sqlite3.Connection, batch: str | None = None) -> list[Voucher]:
    """Return the vouchers of a batch, or all."""
    where, values = ("WHERE batch = ?", [batch]) if batch is not None else ("", [])
    return [Voucher(*row) for row in connection.execute(f"SELECT {_COLUMNS} FROM vouchers {where} ORDER BY id", values)]


def revoke(connection: sqlite3.Connection, numbers: list[int], now: float) -> int:
    """Revoke vouchers; return how many were not revoked before. Their sessions are the caller's to end."""
    with write(connection):
        return sum(
            connection.execute(
                "UPDATE vouchers SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", [now, number]
            ).rowcount
            for number in numbers
        )


def purge(connection: sqlite3.Connection, before: float) -> int:
    """Delete the vouchers that ended before a moment; return how many."""
    with write(connection):
        return connection.execute(
            "DELETE FROM vouchers WHERE coalesce(revoked_at, used_at + seconds, valid_until) < ?", [before]
        ).rowcount
