# SPDX-License-Identifier: EUPL-1.2
"""Decides what of a record is searched and sorted by; pure."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from edge_core.store import search

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES = ("name", "title", "acronym", "former_names")
_TOPICS = ("activity", "summary", "tags", "categories", "kind", "tagline", "organiser")
_BODIES = ("body", "description", "place", "building", "provider", "address", "places", "opening")
# Words that an acronym leaves out.
_SMALL_WORDS = "a au aux and d de del des du e el en et i in l la las le les lo los of pour sur the y"
_SMALL = frozenset(_SMALL_WORDS.split())
_FIRST = 9  # the highest priority that the park can give
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Entry:
    """What the database keeps of a record beside its body. Times are epoch seconds."""

    id: str
    sort: str
    starts: float | None
    ends: float | None
    name: str
    topic: str
    rest: str


def entry_of(collection: str, record: dict[str, Any]) -> Entry:
    """Return the searchable and sortable side of a record."""
    starts = _seconds(record.get("start") or record.get("published"))
    title = next(_strings(record.get("name") or record.get("title") or record["id"]), "")
    return Entry(
        id=record["id"],
        sort=_sort(collection, record, title),
        starts=starts,
        ends=_seconds(record.get("end")) if collection == "events" else None,
        name=" ".join(
            filter(None, (_searchable(record, _NAMES), initials(title) if collection == "companies" else ""))
        ),
        topic=_searchable(record, _TOPICS),
        rest=_searchable(record, _BODIES),
    )


def _sort(collection: str, record: dict[str, Any], title: str) -> str:
    """Return the key that lists floors from the lowest, all else by name, what the park puts first before the rest."""
    level, priority = record.get("level"), record.get("priority")
    if collection == "plans" and isinstance(level, int):
        return f"{level + 1000:05d}"
    if isinstance(priority, int) and 1 <= priority <= _FIRST:
        return f" {_FIRST - priority} {search.sort_key(title)}"
    return search.sort_key(title)


def initials(name: str) -> str:
    """Return the acronym that people make of a name ("sfg" of "Société Fictive du Galet"); "" of a single word."""
    letters = [word[0] for word in search.words(name) if word not in _SMALL]
    return "".join(letters) if len(letters) > 1 else ""


def _searchable(record: dict[str, Any], fields: tuple[str, ...]) -> str:
    texts = (text for field in fields if field in record for text in _strings(record[field]))
    return search.index_text(" ".join(dict.fromkeys(texts)))


def _strings(value: Any) -> Iterator[str]:
    """Yield the texts inside a field in every language, the French one first, without markup."""
    if isinstance(value, str):
        yield html.unescape(_TAG.sub(" ", value))
    elif isinstance(value, dict):
        for key in sorted(value, key=lambda key: (key != "fr", key)):
            if key not in {"id", "x", "y"}:
                yield from _strings(value[key])
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _seconds(written: str | None) -> float | None:
    return None if not written else datetime.fromisoformat(written).timestamp()
