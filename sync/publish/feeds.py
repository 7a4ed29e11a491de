# SPDX-License-Identifier: EUPL-1.2
"""Reads news from RSS and Atom files; the only module that uses feedparser. No address in a feed is ever fetched."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import feedparser
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from sync.downlink.repository_format import LANGUAGES
from sync.publish import documents, rows

if TYPE_CHECKING:
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from sync.publish.problems import Problems

_ENDINGS = (".rss", ".atom", ".xml")


def files(folder: Path) -> list[Path]:
    """Return the feeds of a publisher's folder: news.rss, news/*.atom and their kin."""
    among = [*folder.glob("news*"), *(folder / "news").glob("*")]
    return sorted(path for path in among if path.suffix in _ENDINGS)


def articles(folder: Path, zone: ZoneInfo, problems: Problems) -> list[dict[str, Any]]:
    """Return the news of all feeds of the folder."""
    found: dict[str, dict[str, Any]] = {}
    for path in files(folder):
        name = path.relative_to(folder).as_posix()
        data = path.read_bytes()
        if _is_sound(name, data, problems):
            for record in _articles(name, data, zone, problems):
                if record["id"] in found:
                    problems.add(name, 0, f'two items have the guid "{record["id"]}".', "Give each its own guid.")
                found[record["id"]] = record
    return list(found.values())


def _is_sound(name: str, data: bytes, problems: Problems) -> bool:
    try:
        fromstring(data)
    except ParseError as error:
        problems.add(name, error.position[0], f"it is not well-formed XML ({error}).", "Correct this line.")
    except DefusedXmlException as error:
        problems.add(
            name, 0, f"it declares entities ({type(error).__name__}).", "Remove its <!DOCTYPE … > and <!ENTITY … >."
        )
    else:
        return True
    return False


def _articles(name: str, data: bytes, zone: ZoneInfo, problems: Problems) -> list[dict[str, Any]]:
    parsed = feedparser.parse(data)
    if not parsed.version:
        problems.add(name, 0, "it is neither RSS nor Atom.", "Export the news again as RSS 2.0 or Atom.")
        return []
    written = (parsed.feed.get("language") or "fr")[:2].lower()
    language = written if written in LANGUAGES else "fr"
    source = documents.plain(parsed.feed.get("title", ""))
    found = []
    for number, entry in enumerate(parsed.entries, 1):
        title = documents.plain(entry.get("title", ""))
        line = _line(data, number)
        moment = entry.get("published_parsed")
        if moment is None and dict.__contains__(entry, "updated_parsed"):  # its own get() warns where it is absent
            moment = entry["updated_parsed"]
        if not title:
            problems.add(name, line, f"item {number} has no title.", "Give it a <title>.")
        elif moment is None:
            problems.add(
                name, line, f"item {number} has no readable date.", "Write it like Mon, 16 Nov 2026 08:30:00 +0100."
            )
        else:
            published = datetime.fromtimestamp(calendar.timegm(moment), UTC).astimezone(zone)
            found.append(_record(entry, title, language, published, source))
    return found


def _record(entry: Any, title: str, language: str, published: datetime, source: str) -> dict[str, Any]:
    body = entry.content[0].value if entry.get("content") else entry.get("summary", "")
    html = documents.safe_html(body)
    spoken = dict.fromkeys(("fr", language))  # French is the language that every other falls back to
    return {
        "id": rows.slug_of(entry.get("id") or entry.get("link") or title),
        "title": dict.fromkeys(spoken, title),
        "summary": dict.fromkeys(spoken, documents.plain(html.partition("</p>")[0])),
        "body": dict.fromkeys(spoken, html),
        "published": published.isoformat(),
        "source": source,
        "link": entry.get("link", "") if rows.WEB[0].fullmatch(entry.get("link", "")) else "",
    }


def _line(data: bytes, number: int) -> int:
    """Return the line of the `number`th item; feedparser does not tell it."""
    opening = b"<item" if b"<item" in data else b"<entry"
    position = -1
    for _ in range(number):
        position = data.find(opening, position + 1)
    return data.count(b"\n", 0, max(position, 0)) + 1
