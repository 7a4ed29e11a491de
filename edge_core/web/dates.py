# SPDX-License-Identifier: EUPL-1.2
"""Dates, times and durations as each language writes them; pure functions of a moment, a clock and a language."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time

if TYPE_CHECKING:
    from edge_core.i18n import Language

ZONE = ZoneInfo("Europe/Paris")
_HOUR = 60
_DAY = 24 * _HOUR
_DAYS = {"fr": "jours", "en": "days", "es": "días", "oc": "dias"}
_TO = "\N{NO-BREAK SPACE}\N{EN DASH} "
_NEAR = 60  # minutes within which a departure is told as "in 7 min"


def here(epoch: float) -> datetime:
    """Return the park's local time at `epoch` (seconds since 1970)."""
    return datetime.fromtimestamp(epoch, ZONE)


def parse(value: object) -> datetime | None:
    """Read an ISO 8601 moment of the content into local time; None when it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=ZONE) if moment.tzinfo is None else moment.astimezone(ZONE)


def day(moment: date, language: Language, today: date) -> str:
    """Return "today", "tomorrow", "yesterday", or "Thursday 12 March", with the year where it isn't this one."""
    if isinstance(moment, datetime):
        moment = moment.date()
    near = {
        -1: language.gettext("yesterday"),
        0: language.gettext("today"),
        1: language.gettext("tomorrow"),
    }.get((moment - today).days)
    return near or full_day(moment, language, year=moment.year != today.year)


def full_day(moment: date, language: Language, *, year: bool = False) -> str:
    """Return "Thursday 12 March", and the year if asked."""
    pattern = "EEEE d 'de' MMMM" if language.code == "es" else "EEEE d MMMM"
    return format_date(moment, f"{pattern} y" if year else pattern, locale=language.locale)


def short_day(moment: date, language: Language) -> tuple[str, str]:
    """Return the day's number and the month's short name, for a calendar leaf: ("12", "mars")."""
    return str(moment.day), format_date(moment, "LLL", locale=language.locale).rstrip(".")


def clock(moment: datetime | time, language: Language) -> str:
    """Return the time of day, "14:05"."""
    return format_time(moment, "H'h'mm" if language.code == "oc" else "HH:mm", locale=language.locale)


def hour(told: str, language: Language) -> str:
    """Return a time of day of a form, "14:05", as `clock` writes it; what is none stays as it is."""
    try:
        return clock(time.fromisoformat(told), language)
    except ValueError:
        return told


def span(start: datetime, end: datetime | None, language: Language, today: date) -> str:
    """Return when an event takes place: "today, 12:30 to 14:00", or from day to day when it lasts longer."""
    first = day(start, language, today)
    if end is None or end <= start:
        return f"{first}, {clock(start, language)}"
    if end.date() == start.date():
        return f"{first}, {clock(start, language)}{_TO}{clock(end, language)}"
    if _whole_days(start, end):
        last = (end - timedelta(minutes=1)).date()
        return first if last == start.date() else f"{first}{_TO}{day(last, language, today)}"
    return f"{first}, {clock(start, language)}{_TO}{day(end, language, today)}, {clock(end, language)}"


def _whole_days(start: datetime, end: datetime) -> bool:
    return start.hour == start.minute == end.hour == end.minute == 0


def departure(at: datetime, minutes: int, language: Language) -> str:
    """Return how a departure is told: "now", "in 7 min", or the time of day when it is far."""
    if minutes < 1:
        return language.gettext("now")
    if minutes < _NEAR:
        return language.gettext("in %(minutes)d min") % {"minutes": minutes}
    return clock(at.astimezone(ZONE), language)


def duration(seconds: float, language: Language) -> str:
    """Return a duration, rounded down: "3 h 58 min", "12 min", "less than a minute"; from two days on, "7 days"."""
    minutes = int(max(0, seconds) // 60)
    if minutes >= 2 * _DAY:
        return f"{minutes // _DAY}\N{NO-BREAK SPACE}{_DAYS[language.code]}"
    if minutes < 1:
        return language.gettext("less than a minute")
    if minutes < _HOUR:
        return f"{minutes}\N{NO-BREAK SPACE}min"
    hours, rest = divmod(minutes, _HOUR)
    return f"{hours}\N{NO-BREAK SPACE}h" + (f" {rest:02d}\N{NO-BREAK SPACE}min" if rest else "")
