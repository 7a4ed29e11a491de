# SPDX-License-Identifier: EUPL-1.2
"""Reads the sites of administrations that a kiosk's public service corner opens (administrations.csv)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sync.publish import tables
from sync.publish.directory import in_languages, unique

if TYPE_CHECKING:
    from pathlib import Path

    from sync.publish.problems import Problems
    from sync.publish.rows import Row

HOST = re.compile(r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
"""A host name of two labels or more, the last one no number (RFC 1123, 2.1); international names in ASCII."""
_WEB = (re.compile(r"https://[^\s<>\"'@\\]+"), "an address such as https://mairie.example/")


def administrations(folder: Path, problems: Problems) -> list[dict[str, Any]]:
    """Return the records of administrations.csv or administrations.xlsx."""
    optional = [*in_languages("name", "description"), "hosts"]
    found = tables.read(folder, "administrations", ["id", "name_fr", "web"], problems, optional=optional)
    return unique([(row, _administration(row)) for row in found])


def _administration(row: Row) -> dict[str, Any]:
    return {
        "id": row.slug("id"),
        "name": row.languages("name"),
        "description": row.languages("description", required=False),
        "web": _web(row),
        "hosts": _hosts(row),
    }


def _web(row: Row) -> str:
    row.text("web", required=True)
    written = row.matching("web", _WEB)
    if written and not HOST.fullmatch(_host_of(written)):
        row.wrong(f'column "web" holds "{written}", whose host is no name.', "Write https:// and a host's name.")
    return written


def _host_of(address: str) -> str:
    try:
        parts = urlsplit(address)
        host = parts.hostname if parts.port in {None, 443} else None
    except ValueError:
        return ""
    return host or ""


def _hosts(row: Row) -> list[str]:
    """Return what may be opened, each with all names below it: the address's own host, and the others that it needs."""
    found = [_host_of(row.text("web")), *row.several("hosts")]
    for host in found[1:]:
        if not HOST.fullmatch(host):
            row.wrong(f'column "hosts" holds "{host}".', "Write names in small letters, such as a.example|b.example.")
    return list(dict.fromkeys(found))
