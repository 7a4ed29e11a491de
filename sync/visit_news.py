# SPDX-License-Identifier: EUPL-1.2
"""Reads what a reply of the platform tells of a visit, an answer or an announcement; hostile until checked here."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge_core.store.visits import ANSWERS

_SLUG = re.compile(r"[a-z0-9]([a-z0-9_-]{0,98}[a-z0-9])?")
_CODE = re.compile(r"[0-9A-HJKMNP-TV-Z]{10,20}")
_LONGEST_NAME, _MOST_PEOPLE, _VERSION = 120, 200, 7


@dataclass(frozen=True)
class VisitNews:
    """Either `answer`, or `announced`: company, host, name, people, code, expected_from, expected_until (seconds)."""

    answer: str = ""
    announced: dict[str, Any] | None = None


def parse(key: str, raw: object) -> VisitNews | None:
    """Return the news of visit `key`; None where anything in it makes no sense."""
    if not isinstance(raw, dict) or not _is_uuid7(key):
        return None
    if raw.get("answer") in ANSWERS:
        return VisitNews(answer=raw["answer"])
    announced = _announced(raw["announced"]) if isinstance(raw.get("announced"), dict) else None
    return VisitNews(announced=announced) if announced else None


def _announced(raw: dict[str, Any]) -> dict[str, Any] | None:
    company, host, people = raw.get("company"), raw.get("host"), raw.get("people")
    name = " ".join(clean.split()) if (clean := printable(raw.get("name"))) else ""
    begin, end = _moment(raw.get("from")), _moment(raw.get("until"))
    good = (
        _matches(_SLUG, company)
        and (host is None or _matches(_SLUG, host))
        and 0 < len(name) <= _LONGEST_NAME
        and type(people) is int
        and 1 <= people <= _MOST_PEOPLE
        and _matches(_CODE, raw.get("code"))
    )
    if not good or begin is None or end is None:
        return None
    return {
        "company": company, "host": host, "name": name, "people": people, "code": raw["code"],
        "expected_from": begin, "expected_until": end,
    }  # fmt: skip


def printable(raw: object) -> str:
    """Return a text without control and bidirectional override characters; "" for what is no text."""
    return "".join(letter if letter.isprintable() else " " for letter in raw) if isinstance(raw, str) else ""


def _matches(pattern: re.Pattern[str], raw: object) -> bool:
    return isinstance(raw, str) and pattern.fullmatch(raw) is not None


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
