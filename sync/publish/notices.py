# SPDX-License-Identifier: EUPL-1.2
"""Reads what passes: small ads (ads.csv) and questions that are answered by one tap (surveys.csv)."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from sync.publish import tables
from sync.publish.directory import in_languages, unique

if TYPE_CHECKING:
    from pathlib import Path

    from sync.publish.problems import Problems
    from sync.publish.rows import Row


def ads(folder: Path, problems: Problems) -> list[dict[str, Any]]:
    """Return the records of ads.csv or ads.xlsx."""
    optional = [*in_languages("title", "summary"), "contact", "until"]
    found = tables.read(folder, "ads", ["id", "title_fr"], problems, optional=optional)
    return unique([(row, _ad(row)) for row in found])


def _ad(row: Row) -> dict[str, Any]:
    return {
        "id": row.slug("id"),
        "title": row.languages("title"),
        "summary": row.languages("summary", required=False),
        "contact": row.text("contact"),
        "until": _day(row),
    }


def surveys(folder: Path, problems: Problems) -> list[dict[str, Any]]:
    """Return the records of surveys.csv or surveys.xlsx."""
    optional = [*in_languages("question"), "until"]
    found = tables.read(folder, "surveys", ["id", "question_fr"], problems, optional=optional)
    return unique([(row, _survey(row)) for row in found])


def _survey(row: Row) -> dict[str, Any]:
    return {"id": row.slug("id"), "question": row.languages("question"), "until": _day(row)}


def _day(row: Row) -> str:
    """Return the last day on which it is shown, or ""."""
    written = row.text("until")
    try:
        return date.fromisoformat(written).isoformat() if written else ""
    except ValueError:
        row.wrong(f'column "until" holds "{written}".', "Write the day as year-month-day, such as 2030-05-21.")
        return ""
