# SPDX-License-Identifier: EUPL-1.2
"""Decides what of a device may leave it in a support bundle; pure. What isn't known to be harmless is struck out."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_core.settings import Settings
    from edge_core.support.journal import Line

STRUCK = "(struck out)"
_SECRET = {("site", "key"), ("mail", "user"), ("mail", "sender")}
"""Settings that hold a secret or a person's address itself; keys and passwords else are in files, named by a path."""
_PATTERNS = (
    re.compile(r"(?<=://)[^/@\s]+@"),  # user and password in a URL
    re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"),  # MAC
    re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"),  # e-mail
    re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b"),  # IPv4
    re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])"),  # IPv6
    re.compile(
        r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    ),  # ids of sessions, visits, requests
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?")
_CONSTANT = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_MODULE = re.compile(r"[a-z_]+(?:\.[a-z0-9_]+)*")
_PROCESSES = frozenset({
    "advertiser", "agent", "broker", "desk", "devices", "front", "gateway-agent", "gateway-clear", "gateway-setup",
    "kiosk", "legal-recorder", "management", "parvis", "portal", "release", "run", "stick", "sync",
})  # fmt: skip


def text(raw: str) -> str:
    """Return a text without hardware and network addresses, e-mail addresses, ids and passwords in URLs."""
    for pattern in _PATTERNS:
        raw = pattern.sub(STRUCK, raw)
    return raw


def everything(value: Any) -> Any:
    """Return a JSON value with every text in it, names of members too, treated by `text`."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {text(str(name)): everything(each) for name, each in value.items()}
    return [everything(each) for each in value] if isinstance(value, list | tuple) else value


def settings(found: Settings) -> dict[str, dict[str, Any]]:
    """Return the settings by section; of a secret only whether it is set."""
    sections = {row.name: getattr(found, row.name) for row in fields(found)}
    told = {name: _section(name, each) for name, each in sections.items() if is_dataclass(each)}
    return {**told, **{f"zone {zone.id}": _section("zone", zone) for zone in found.further}}


def _section(name: str, section: Any) -> dict[str, Any]:
    return {
        row.name: (STRUCK if value else "") if (name, row.name) in _SECRET else _plain(value)
        for row in fields(section)
        for value in [getattr(section, row.name)]
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Path):
        return f"{value.name} (a file)"
    return str(value)


def line(found: Line) -> dict[str, Any] | None:
    """Return what of a line of the journal may leave: what happened, where, and numbers; None for another's line.

    A word in a field may be anybody's: how many such fields there were is told, and none of them.
    """
    if not _CONSTANT.fullmatch(found.event) or found.process not in _PROCESSES:
        return None
    told: dict[str, Any] = {"at": round(found.at, 3), "process": found.process, "level": found.level}
    told["event"] = found.event
    for name, value in found.fields.items():
        known = _NUMBER.fullmatch(value) or value in ("True", "False", "None")
        if _CONSTANT.fullmatch(name) and (known or (name == "module" and _MODULE.fullmatch(value))):
            told[name] = value
    told["fields_left_out"] = len(found.fields) + 4 - len(told)
    return told
