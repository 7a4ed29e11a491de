# SPDX-License-Identifier: EUPL-1.2
"""Reads events from iCalendar files (RFC 5545) and expands their recurrences; the only module that uses icalendar.

A translation stands in X-PARVIS-SUMMARY;LANGUAGE=en and X-PARVIS-DESCRIPTION;LANGUAGE=en, since RFC 5545 allows one
SUMMARY only. What is published depends on the day of `now`, not on its hour, so that publishing twice changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

from dateutil.rrule import rrulestr
from icalendar import Calendar
from icalendar.parser import unescape_backslash

from sync.downlink.repository_format import LANGUAGES
from sync.publish import rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from sync.publish.problems import Problems

RECURRING = timedelta(days=60)  # how far ahead recurrences are published
SINGLE = timedelta(days=400)  # how far ahead single events are
KEPT = timedelta(days=1)  # how long an event stays after its end
_MOST = 400  # occurrences of one event
_TOO_OFTEN = re.compile(r"FREQ=(SECONDLY|MINUTELY|HOURLY)", re.IGNORECASE)
_FRAME = re.compile(r"(BEGIN|END):(\S+)\s*", re.IGNORECASE)
_MALFORMED = "Export the calendar again, or compare this line with RFC 5545."


@dataclass(frozen=True)
class _Reading:
    """One calendar file being read."""

    name: str
    text: str
    zone: ZoneInfo
    today: datetime  # midnight at the park
    problems: Problems

    def line_of(self, words: str) -> int:
        """Return the line on which `words` begin; a long line is folded, so its beginning is looked for."""
        position = self.text.find(words[:60])
        return self.text.count("\n", 0, position) + 1 if position >= 0 else 0

    def wrong(self, words: str, message: str, remedy: str) -> None:
        """Note a problem near `words`."""
        self.problems.add(self.name, self.line_of(words), message, remedy)


def events(folder: Path, zone: ZoneInfo, now: float, problems: Problems) -> list[dict[str, Any]]:
    """Return the events of events/*.ics from yesterday on, recurrences of the coming 60 days expanded."""
    today = datetime.combine(datetime.fromtimestamp(now, zone).date(), time(), zone)
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((folder / "events").glob("*.ics")):
        name = path.relative_to(folder).as_posix()
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
        reading = _Reading(name, text, zone, today, problems)
        if "\ufffd" in text:
            reading.wrong("\ufffd", "it is not UTF-8 text.", "Save the calendar with the encoding UTF-8.")
            continue
        for record in _events(reading):
            if record["id"] in found:
                problems.add(name, 0, f'two events have the id "{record["id"]}".', "Give each event its own UID.")
            found[record["id"]] = record
    return list(found.values())


def _events(reading: _Reading) -> Iterator[dict[str, Any]]:
    if not reading.text.lstrip().startswith("BEGIN:VCALENDAR"):
        reading.problems.add(reading.name, 1, "it does not begin with BEGIN:VCALENDAR.", _MALFORMED)
        return
    if not _is_nested(reading):
        return
    try:
        components: list[Any] = list(Calendar.from_ical(reading.text).walk("VEVENT"))
    except (ValueError, IndexError, KeyError) as error:
        quoted = re.search(r"'([^']+)'", str(error))
        reading.wrong(quoted[1] if quoted else "\0", f"it is not a calendar ({error}).", _MALFORMED)
        return
    moved = {(str(each["UID"]), _instant(each["RECURRENCE-ID"].dt, reading)) for each in components if _is_moved(each)}
    for component in components:
        if _is_sound(component, reading) and str(component.get("STATUS", "")).upper() != "CANCELLED":
            yield from _occurrences(component, moved, reading)


def _is_nested(reading: _Reading) -> bool:
    """Check that each END closes the BEGIN before it: the library skips a misspelt VEVENT in silence."""
    open_: list[tuple[int, str]] = []
    for number, line in enumerate(reading.text.splitlines(), 1):
        found = _FRAME.fullmatch(line)
        if found is None:
            continue
        word, name = found[1].upper(), found[2].upper()
        if word == "BEGIN":
            open_.append((number, name))
        elif not open_ or open_.pop()[1] != name:
            reading.problems.add(reading.name, number, f"END:{name} closes no BEGIN:{name}.", _MALFORMED)
            return False
    for number, name in open_:
        reading.problems.add(reading.name, number, f"BEGIN:{name} has no END:{name}.", _MALFORMED)
    return not open_


def _is_moved(component: Any) -> bool:
    return "RECURRENCE-ID" in component and "UID" in component


def _is_sound(component: Any, reading: _Reading) -> bool:
    """Check one VEVENT; icalendar keeps what it could not parse in `errors`."""
    uid = str(component.get("UID", ""))
    near = f"UID:{uid}"
    before = len(reading.problems.found)
    for field, reason in getattr(component, "errors", ()):
        reading.wrong(near, f"{field or 'a line'} of this event can't be read ({reason}).", _MALFORMED)
    for field in ("UID", "DTSTART", "SUMMARY"):
        if not component.get(field):
            message = f"an event{f' ({uid})' if uid else ''} has no {field}."
            reading.wrong(near if uid else "BEGIN:VEVENT", message, f"Add its {field} line.")
    if len(reading.problems.found) > before:
        return False
    start, end = _span(component, reading)
    if end <= start:
        reading.wrong(near, "this event ends before it starts.", "Correct its DTEND.")
    rule = component.get("RRULE")
    if isinstance(rule, list) or (rule is not None and _TOO_OFTEN.search(rule.to_ical().decode())):
        reading.wrong(near, "this event recurs more than daily.", "Use FREQ=DAILY, WEEKLY, MONTHLY or YEARLY, once.")
    return len(reading.problems.found) == before


def _span(component: Any, reading: _Reading) -> tuple[datetime, datetime]:
    """Return start and end; without an end, an event lasts its day, or an hour (RFC 5545, 3.6.1, is less kind)."""
    begins = component["DTSTART"].dt
    start = _moment(begins, reading)
    if "DTEND" in component:
        return start, _moment(component["DTEND"].dt, reading)
    if "DURATION" in component:
        return start, start + component["DURATION"].dt
    return start, start + (timedelta(hours=1) if isinstance(begins, datetime) else timedelta(days=1))


def _moment(value: date, reading: _Reading) -> datetime:
    """Return a date or floating time as a moment at the park; a zoned time keeps its zone, in which it recurs."""
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    return moment if moment.tzinfo else moment.replace(tzinfo=reading.zone)


def _instant(value: date, reading: _Reading) -> float:
    return _moment(value, reading).timestamp()


def _occurrences(component: Any, moved: set[tuple[str, float]], reading: _Reading) -> Iterator[dict[str, Any]]:
    start, end = _span(component, reading)
    oldest = reading.today - KEPT
    rule = component.get("RRULE")
    if rule is None:
        if end > oldest and start < reading.today + SINGLE:
            dated = _is_moved(component)
            yield _record(component, start, end, reading, dated=dated)
        return
    skipped = {_instant(each.dt, reading) for group in _groups(component.get("EXDATE")) for each in group.dts}
    skipped |= {instant for uid, instant in moved if uid == str(component["UID"])}
    window = (oldest - (end - start), reading.today + RECURRING)
    for begins in _recurrences(component, start, window, reading):
        if begins.timestamp() not in skipped:
            yield _record(component, begins, begins + (end - start), reading, dated=True)


def _groups(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _recurrences(
    component: Any, start: datetime, window: tuple[datetime, datetime], reading: _Reading
) -> list[datetime]:
    first, last = window
    try:
        ahead = rrulestr(component["RRULE"].to_ical().decode(), dtstart=start).xafter(first, inc=True)
        return list(takewhile(lambda moment: moment <= last, islice(ahead, _MOST)))
    except (ValueError, TypeError) as error:
        reading.wrong(f"UID:{component['UID']}", f"its recurrence can't be read ({error}).", "Correct its RRULE.")
        return []


def _record(component: Any, start: datetime, end: datetime, reading: _Reading, *, dated: bool) -> dict[str, Any]:
    here, until = start.astimezone(reading.zone), end.astimezone(reading.zone)
    suffix = f"-{here:%Y%m%d}" if dated else ""
    summary = _languages(component, "DESCRIPTION")
    name = rows.slug_of(str(component["UID"]).partition("@")[0])
    return {
        "id": name + suffix,
        "series": name if dated else "",
        "title": _languages(component, "SUMMARY"),
        "summary": summary,
        "start": here.isoformat(),
        "end": until.isoformat(),
        "all_day": not isinstance(component["DTSTART"].dt, datetime),
        "place": rows.clean(str(component.get("LOCATION", ""))),
        "organiser": _organiser(component),
        "seats": _number(component, "X-PARVIS-SEATS", 100_000, reading),
        "priority": _number(component, "X-PARVIS-PRIORITY", rows.FIRST, reading),
        "categories": [rows.clean(str(each)) for group in _groups(component.get("CATEGORIES")) for each in group.cats],
    }


def _languages(component: Any, field: str) -> dict[str, str]:
    french = rows.clean(str(component.get(field, "")))
    found = {"fr": french} if french else {}
    for each in _groups(component.get(f"X-PARVIS-{field}")):
        language = str(each.params.get("LANGUAGE", "")).lower()
        if language in LANGUAGES and language != "fr":
            found[language] = _text(each)
    return found


def _text(own: Any) -> str:
    """Return a field of ours, which the library leaves as it was written (RFC 5545, 3.3.11)."""
    return rows.clean(unescape_backslash(str(own)))


def _number(component: Any, field: str, most: int, reading: _Reading) -> int | None:
    """Return a field of ours as a number from 1 to `most`, or None."""
    written = str(component.get(field, "")).strip()
    if written and not (written.isascii() and written.isdigit() and 1 <= int(written) <= most):
        reading.wrong(f"{field}:{written}", f"{field} is not a number from 1 to {most}.", "Correct this line.")
        return None
    return int(written) if written else None


def _organiser(component: Any) -> str:
    named = component.get("X-PARVIS-ORGANISER")
    if named is not None:
        return _text(named)
    told = component.get("ORGANIZER")
    return rows.clean(str(told.params.get("CN", ""))) if told is not None else ""
