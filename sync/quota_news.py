# SPDX-License-Identifier: EUPL-1.2
"""Reads what a reply of the platform tells of a lease, and applies it; hostile until checked here."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from edge_core.store import outbox, quotas
from edge_core.store.quotas import Lease

if TYPE_CHECKING:
    import sqlite3

_WORD = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_SLOT = re.compile(r"|\d{4}-\d\d-\d\d(T\d\d:\d\d)?", re.ASCII)
_LIFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{7,63}")
_MOST_UNITS, _LONGEST_SUBJECT, _VERSION = 1_000_000, 200, 7


@dataclass(frozen=True)
class LeaseNews:
    """One of three: `granted` to the `life` that it names, `until` another moment (seconds), or `withdrawn`."""

    key: str
    granted: Lease | None = None
    life: str = ""
    until: float | None = None
    withdrawn: bool = False


def parse(key: str, raw: object) -> LeaseNews | None:
    """Return the news of lease `key`; None where anything in it makes no sense."""
    if not isinstance(raw, dict) or not _is_uuid7(key):
        return None
    if raw.get("withdrawn") is True:
        return LeaseNews(key, withdrawn=True)
    if isinstance(raw.get("extended"), dict):
        until = _moment(raw["extended"].get("until"))
        return None if until is None else LeaseNews(key, until=until)
    return _granted(key, raw["granted"]) if isinstance(raw.get("granted"), dict) else None


def apply(connection: sqlite3.Connection, news: LeaseNews, now: float) -> bool:
    """Write it down, inside the caller's transaction; False where it is not about a lease that we can have.

    A grant is for one life of the database: after a restore nobody knows what the earlier life promised.
    """
    if news.withdrawn:
        return quotas.withdraw(connection, news.key, now)
    if news.until is not None:
        return quotas.extend(connection, news.key, news.until)
    return news.granted is not None and news.life == outbox.epoch(connection) and quotas.grant(connection, news.granted)


def _granted(key: str, raw: dict[str, Any]) -> LeaseNews | None:
    kind, subject, life, units = (raw.get(name) for name in ("kind", "subject", "life", "units"))
    slot, until = raw.get("slot") or "", _moment(raw.get("until"))
    good = (
        isinstance(kind, str) and _WORD.fullmatch(kind)
        and isinstance(subject, str) and 0 < len(subject) <= _LONGEST_SUBJECT
        and isinstance(slot, str) and _SLOT.fullmatch(slot)
        and raw.get("each") in (quotas.PERSON, quotas.REQUEST)
        and type(units) is int and 1 <= units <= _MOST_UNITS
        and isinstance(life, str) and _LIFE.fullmatch(life)
    )  # fmt: skip
    if not good or until is None:
        return None
    lease = Lease(
        id=key, kind=str(kind), subject=str(subject), slot=slot, each=raw["each"], units=int(raw["units"]), until=until
    )
    return LeaseNews(key, granted=lease, life=str(life))


def _is_uuid7(key: str) -> bool:
    try:
        return str(uuid.UUID(key)) == key and uuid.UUID(key).version == _VERSION
    except ValueError:
        return False


def _moment(raw: object) -> float | None:
    try:
        found = datetime.fromisoformat(raw) if isinstance(raw, str) else None
        return found.timestamp() if found and found.tzinfo else None
    except (ValueError, OverflowError):
        return None
