# SPDX-License-Identifier: EUPL-1.2
"""Which of the site's other gateways were heard, and when: a file in the run folder that `sync` alone writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from edge_core.settings import Settings

SILENT = 700.0
"""Seconds without a word after which a gateway is taken to be away: each says something in 300."""


class Heard(NamedTuple):
    """When a gateway was heard last (seconds since 1970), and whether it has another key than ours."""

    at: float
    other_key: bool


def file_of(settings: Settings) -> Path:
    """Return the file."""
    return settings.run_dir / "gateways.json"


def write(settings: Settings, heard: dict[str, Heard]) -> None:
    """Replace the file, whole or not at all. Raises OSError."""
    fresh = file_of(settings).with_suffix(".new")
    fresh.write_text(json.dumps({name: each._asdict() for name, each in heard.items()}), encoding="utf-8")
    fresh.replace(file_of(settings))


def read(settings: Settings) -> dict[str, Heard]:
    """Return who was heard, by name; nobody where the file is missing or makes no sense."""
    try:
        told = json.loads(file_of(settings).read_bytes())
        return {str(name): Heard(float(each["at"]), bool(each["other_key"])) for name, each in told.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
