# SPDX-License-Identifier: EUPL-1.2
"""Reads a publisher's whole folder into records and blobs, or says everything that is wrong with it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edge_core.errors import ContentError
from sync.downlink.repository_format import LANGUAGES
from sync.publish import (
    access,
    administrations,
    calendars,
    directory,
    documents,
    feeds,
    floors,
    images,
    notices,
    rows,
    tables,
    timetables,
    weather,
)
from sync.publish.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_KNOWN = re.compile(
    r"park\.toml|weather\.json|(companies|hosts|services|ads|surveys|access|administrations)\.(csv|xlsx)|news.*\.(rss|atom|xml)|events|news|plan|gtfs|pages"
    r"|images|README.*|\..*|.*~"
)
_TOML_LINE = re.compile(r"at line (\d+)")
_PARK = ("name", "tagline", "address", "phone", "email", "opening", "colours", "timezone")
_FORMS = {"phone": rows.PHONE, "email": rows.EMAIL}


@dataclass(frozen=True)
class Content:
    """What a folder says: records by collection and id, blobs by SHA-256, and notices for its publisher."""

    collections: Mapping[str, Mapping[str, dict[str, Any]]]
    blobs: Mapping[str, bytes]
    notices: tuple[str, ...] = ()


def read(
    folder: Path, now: float, *, whole: bool = True, progress: Callable[[str, int, int], None] | None = None
) -> Content:
    """Return the content of `folder` as of `now` (epoch seconds). Raises SourceError with every mistake.

    `whole` False: the folder is a publisher's own part, without the park, the terms, or what its records refer to.
    """
    if not folder.is_dir():
        raise ContentError(f"The folder {folder} does not exist.", remedy="Name the folder that holds park.toml.")
    problems = Problems()
    park = _park(folder, problems) if whole else {}
    zone = _zone(park, problems)
    plans, blobs = floors.plans(folder, problems)
    collections = {
        "park": [park] if whole else [],
        "pages": documents.pages(folder, problems, whole=whole),
        "companies": directory.companies(folder, problems),
        "hosts": directory.hosts(folder, problems),
        "services": directory.services(folder, problems),
        "events": calendars.events(folder, zone, now, problems),
        "news": [*documents.articles(folder, zone, problems), *feeds.articles(folder, zone, problems)],
        "plans": plans,
        "ads": notices.ads(folder, problems),
        "surveys": notices.surveys(folder, problems),
        "access": access.plans(folder, problems),
        "administrations": administrations.administrations(folder, problems),
        "stops": timetables.stops(folder, problems),
        "weather": weather.forecast(folder, problems),
    }
    _name_companies(collections)
    if whole:
        _check_references(folder, collections, problems)
    blobs |= images.attach(folder, collections, problems, progress)
    for path in sorted(folder.iterdir()):
        if not _KNOWN.fullmatch(path.name):
            problems.notice(f"{path.name} is not published: no collection has a file of that name.")
    problems.raise_if_any()
    there = {name: records for name, records in collections.items() if whole or records}
    named = {name: {each["id"]: _bare(each) for each in records} for name, records in there.items()}
    return Content(named, blobs, tuple(problems.notices))


def _bare(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without its empty fields: what is not said costs no bytes and can't be shown empty."""
    return {key: value for key, value in record.items() if value not in ("", None, [], {})}


def _park(folder: Path, problems: Problems) -> dict[str, Any]:
    """Return the park's own record, from park.toml."""
    path = folder / "park.toml"
    text = tables.decoded(path, path.name, problems) if path.is_file() else ""
    try:
        values = tomllib.loads(text or "")
    except tomllib.TOMLDecodeError as error:
        line = _TOML_LINE.search(str(error))
        problems.add(path.name, int(line[1]) if line else 0, f"it is not TOML ({error}).", "Correct this line.")
        return {"id": "park"}
    row = rows.Row(path.name, 0, {}, problems)
    for key in values.keys() - set(_PARK):
        row.wrong(f'the key "{key}" is unknown.', f"Known keys: {', '.join(_PARK)}.")
    if not values.get("name"):
        row.wrong("the park has no name.", 'Write a line such as name = "Parc Exemple".')
    return {
        "id": "park",
        **{key: _word(values, key, row) for key in ("name", "address", "phone", "email", "timezone")},
        **{key: _languages(values, key, row) for key in ("tagline", "opening")},
        "colours": _colours(values.get("colours", {}), row),
    }


def _word(values: dict[str, Any], key: str, row: rows.Row) -> str:
    value = values.get(key, "")
    if not isinstance(value, str):
        row.wrong(f'the key "{key}" is not a text.', f'Write {key} = "…".')
        return ""
    if value and key in _FORMS and not _FORMS[key][0].fullmatch(value):
        row.wrong(f'the key "{key}" holds "{value}" where {_FORMS[key][1]} is expected.', "Correct it.")
    return rows.clean(value)


def _languages(values: dict[str, Any], key: str, row: rows.Row) -> dict[str, str]:
    value = values.get(key, {})
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        row.wrong(f'the key "{key}" is not a table of texts.', f'Write [{key}] and then fr = "…", en = "…".')
        return {}
    if value and "fr" not in value:
        row.wrong(f'the key "{key}" has no French text.', f'Add fr = "…" under [{key}].')
    return {language: rows.clean(value[language]) for language in LANGUAGES if language in value}


def _colours(value: Any, row: rows.Row) -> dict[str, str]:
    if not isinstance(value, dict):
        row.wrong('the key "colours" is not a table.', 'Write [colours] and then accent = "#0b6e63".')
        return {}
    for name, colour in value.items():
        if not isinstance(colour, str) or not rows.COLOUR[0].fullmatch(colour):
            row.wrong(f'the colour "{name}" is "{colour}".', f"Write {rows.COLOUR[1]}.")
    return {name: value[name] for name in ("accent", "accent_dark") if name in value}


def _zone(park: dict[str, Any], problems: Problems) -> ZoneInfo:
    name = park.get("timezone") or "Europe/Paris"
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        problems.add("park.toml", 0, f'the time zone "{name}" is unknown.', "Write one such as Europe/Paris.")
        return ZoneInfo("Europe/Paris")


def _name_companies(collections: dict[str, list[dict[str, Any]]]) -> None:
    """Say of each piece of news whose link leads to a company's own site that this company tells it."""
    homes = {_host(company["web"]): company["id"] for company in collections["companies"] if company["web"]}
    for item in collections["news"]:
        item["company"] = item.get("company") or homes.get(_host(item.get("link", "")), "")


def _host(address: str) -> str:
    return re.sub(r"^https?://(www\.)?|[/:?#].*$", "", address.lower())


def _check_references(folder: Path, collections: dict[str, list[dict[str, Any]]], problems: Problems) -> None:
    """Note what refers to a floor, a room or a company that isn't there."""
    places = {plan["id"]: {place["id"] for place in plan["places"]} for plan in collections["plans"]}
    table = "companies.xlsx" if (folder / "companies.xlsx").exists() else "companies.csv"
    for company in collections["companies"]:
        floor, room = company["floor"], company["room"]
        if floor and floor not in places:
            problems.add(table, 0, f'{company["id"]} is on the floor "{floor}".', f"Plans are: {', '.join(places)}.")
        elif room and room not in places.get(floor, ()):
            problems.add(
                table, 0, f'{company["id"]} is in the room "{room}".', f"Add it to plan/places.csv, plan {floor}."
            )
    providers = {"park", *(company["id"] for company in collections["companies"])}
    table = "services.xlsx" if (folder / "services.xlsx").exists() else "services.csv"
    for service in collections["services"]:
        if service["provider"] and service["provider"] not in providers:
            problems.add(
                table,
                0,
                f'{service["id"]} is provided by "{service["provider"]}".',
                'Write a company\'s id, or "park".',
            )
    table = "hosts.xlsx" if (folder / "hosts.xlsx").exists() else "hosts.csv"
    for host in collections["hosts"]:
        if host["company"] and host["company"] not in providers:
            problems.notice(
                f'{table}: {host["id"]} belongs to "{host["company"]}", which is no company: nobody sees it.'
            )
    for item in collections["news"]:
        if item["company"] and item["company"] not in providers:
            message = f'{item["id"]} is told by the company "{item["company"]}".'
            problems.add("news", 0, message, "Write a company's id.")
