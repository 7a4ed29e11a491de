# SPDX-License-Identifier: EUPL-1.2
"""Writes an event of the content as iCalendar (RFC 5545); pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from edge_core.web import dates

if TYPE_CHECKING:
    from edge_core.i18n import Language

_WIDTH = 74  # octets of a line before its fold, RFC 5545, 3.1
_DEFAULT_LENGTH = timedelta(hours=1)


def event(record: dict[str, Any], language: Language, site: str, now: float) -> str | None:
    """Return a calendar of this one event in `language`; None where the record has no readable start."""
    start = dates.parse(record.get("start"))
    if start is None:
        return None
    end = dates.parse(record.get("end")) or start + _DEFAULT_LENGTH
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Parvis//Portal//FR",
        "BEGIN:VEVENT",
        f"UID:{_text(record['id'])}@{site}.parvis",
        f"DTSTAMP:{_utc(datetime.fromtimestamp(now, UTC))}",
        f"DTSTART:{_utc(start)}",
        f"DTEND:{_utc(end)}",
        f"SUMMARY:{_text(language.text(record.get('title')))}",
        f"DESCRIPTION:{_text(language.text(record.get('summary')))}",
        f"LOCATION:{_text(language.text(record.get('place')))}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(value: str) -> str:
    """Escape a text (3.3.11); control characters can't stand in a line."""
    escaped = value.replace("\\", "\\\\").replace(";", r"\;").replace(",", r"\,").replace("\r", "").replace("\n", r"\n")
    return "".join(letter for letter in escaped if letter >= " ")


def _folded(line: str) -> str:
    """Fold a long line, never inside a character."""
    parts, size = [""], 0
    for letter in line:
        octets = len(letter.encode("utf-8", "replace"))
        if size + octets > _WIDTH:
            parts.append("")
            size = 0
        parts[-1] += letter
        size += octets
    return "\r\n ".join(parts)
