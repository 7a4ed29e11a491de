# SPDX-License-Identifier: EUPL-1.2
"""Finds companies, services, places, events and news under the finger; without scripts, by an ordinary form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, request, url_for

from edge_core.store import search
from kiosk.here import content
from kiosk.plan import places

if TYPE_CHECKING:
    from edge_core.store.replica import Record

routes = Blueprint("find", __name__)
_LONGEST = 80
_SHOWN = 12
_PAGE = 40
_PAGES_OF = {"companies": "company.page", "services": "services.page", "events": "events.one", "news": "news.one"}


@dataclass(frozen=True)
class Found:
    """One answer: its kind (a collection, or "places"), its texts of the content, and the page that it opens."""

    kind: str
    title: Any
    detail: Any
    href: str


@routes.get("/<view:view>/find")
def page() -> str:
    """Show the question and its answers; before a question, the companies in alphabetical order."""
    asked = question(request.args.get("q", ""))
    start = min(max(0, request.args.get("from", 0, type=int)), 1_000_000)
    listed = [] if asked else content().list("companies", limit=_PAGE + 1, offset=start)
    return render_template(
        "find.html",
        asked=asked,
        groups=answers(asked) if asked else {},
        companies=[_found(record) for record in listed[:_PAGE]],
        total=content().count("companies"),
        start=start,
        following=start + _PAGE if len(listed) > _PAGE else None,
        previous=max(0, start - _PAGE) if start else None,
    )


@routes.get("/<view:view>/find/answers")
def fragment() -> str:
    """Return the answers alone, for the page that asks at each letter."""
    asked = question(request.args.get("q", ""))
    return render_template("find_answers.html", asked=asked, groups=answers(asked))


def question(raw: str) -> str:
    """Return what a person asks: printable, at most `_LONGEST` letters."""
    return "".join(letter for letter in raw[:_LONGEST] if letter.isprintable()).strip()


def answers(asked: str) -> dict[str, list[Found]]:
    """Return the answers by kind, the kind of the best answer first."""
    groups: dict[str, list[Found]] = {}
    for record in content().search(asked, _PAGES_OF, _SHOWN):
        groups.setdefault(record["collection"], []).append(_found(record))
    if named := _places(search.words(asked)):
        groups["places"] = named
    return groups


def _found(record: Record) -> Found:
    kind = record["collection"]
    title = record.get("title") or record.get("name", "")
    detail = record.get("activity") or record.get("summary") or record.get("description") or ""
    return Found(kind, title, detail, url_for(_PAGES_OF[kind], key=record["id"]))


def _places(asked: list[str]) -> list[Found]:
    """Return the places of which each word asked for begins a word of the name, in whatever language."""
    return [
        Found("places", place.get("name"), plan.get("name"), url_for("plan.floor", key=plan["id"], place=place["id"]))
        for plan in content().list("plans")
        for place in places(plan)
        if asked and _begins(asked, place.get("name"))
    ][:_SHOWN]


def _begins(asked: list[str], name: object) -> bool:
    names = name.values() if isinstance(name, dict) else [name]
    known = [word for name in names for word in search.words(str(name))]
    return all(any(word.startswith(part) for word in known) for part in asked)
