# SPDX-License-Identifier: EUPL-1.2
"""Reads companies, whom one can ask for there, and services from their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sync.downlink.repository_format import LANGUAGES
from sync.publish import rows, tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sync.publish.problems import Problems

_KINDS = ("room", "desk", "lunch", "bike", "ad", "message", "other")
_FIELDS = ("date", "time", "people", "comment")


def in_languages(*columns: str) -> list[str]:
    """Return the columns `name_fr`, `name_en`, … of texts that people read."""
    return [f"{column}_{language}" for column in columns for language in LANGUAGES]


def unique(found: Sequence[tuple[rows.Row, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the records, after noting ids that are used twice."""
    seen: dict[str, int] = {}
    for row, record in found:
        if record["id"] in seen:
            row.wrong(f'the id "{record["id"]}" is already on line {seen[record["id"]]}.', "Give it another id.")
        seen.setdefault(record["id"], row.line)
    return [record for _, record in found]


def companies(folder: Path, problems: Problems) -> list[dict[str, Any]]:
    """Return the records of companies.csv or companies.xlsx."""
    optional = ["acronym", "former_names", "tags", "building", "floor", "room", "phone", "web", "email", "priority"]
    texts = in_languages("activity", "notice", "agreement")
    found = tables.read(
        folder, "companies", ["id", "name", "activity_fr"], problems, optional=[*optional, "badge", *texts]
    )
    return unique([(row, _company(row)) for row in found])


def _company(row: rows.Row) -> dict[str, Any]:
    return {
        "id": row.slug("id"),
        "name": row.text("name", required=True),
        "acronym": row.text("acronym"),
        "former_names": row.several("former_names"),
        "activity": row.languages("activity"),
        "tags": row.several("tags"),
        "building": row.text("building"),
        "floor": row.slug("floor", required=False),
        "room": row.slug("room", required=False),
        "phone": row.matching("phone", rows.PHONE),
        "web": row.matching("web", rows.WEB),
        "email": row.matching("email", rows.EMAIL),
        "priority": row.whole("priority", 1, rows.FIRST, required=False),
        "arrival": _arrival(row),
    }


def _arrival(row: rows.Row) -> dict[str, Any]:
    """Return what a visitor must read, accept and wear; empty where the company asks for nothing."""
    asked = {
        "badge": row.choice("badge", ("yes", "no"), required=False) == "yes",
        "notice": row.languages("notice", required=False),
        "agreement": row.languages("agreement", required=False),
    }
    for column in ("notice", "agreement"):
        if asked[column] and "fr" not in asked[column]:  # type: ignore[operator]
            row.wrong(f'column "{column}_fr" is empty.', "Fill it in: the other languages fall back to it.")
    return {name: value for name, value in asked.items() if value}


def hosts(folder: Path, problems: Problems) -> list[dict[str, Any]]:
    """Return the records of hosts.csv or hosts.xlsx: roles that a visitor can ask for, never a person's name."""
    found = tables.read(folder, "hosts", ["id", "company", "role_fr"], problems, optional=in_languages("role"))
    return unique(
        [(row, {"id": row.slug("id"), "company": row.slug("company"), "role": row.languages("role")}) for row in found]
    )


def services(folder: Path, problems: Problems) -> list[dict[str, Any]]:
    """Return the records of services.csv or services.xlsx."""
    optional = [*in_languages("name", "description", "price"), "fields", "capacity", "payment", "priority"]
    found = tables.read(folder, "services", ["id", "kind", "provider", "name_fr"], problems, optional=optional)
    return unique([(row, _service(row)) for row in found])


def _service(row: rows.Row) -> dict[str, Any]:
    asked = row.several("fields")
    for field in asked:
        if field not in _FIELDS:
            row.wrong(f'column "fields" holds "{field}".', f"Write some of: {'|'.join(_FIELDS)}.")
    payment = row.text("payment")
    if payment not in {"", "reception"}:
        payment = row.matching("payment", rows.WEB)
    return {
        "id": row.slug("id"),
        "kind": row.choice("kind", _KINDS),
        "provider": row.slug("provider"),
        "name": row.languages("name"),
        "description": row.languages("description", required=False),
        "price": row.languages("price", required=False),
        "fields": asked,
        "capacity": row.whole("capacity", 1, 100_000, required=False),
        "payment": payment,
        "priority": row.whole("priority", 1, rows.FIRST, required=False),
    }
