# SPDX-License-Identifier: EUPL-1.2
"""Remembers what the gateway changed on its host, so that `clear` can take back that and nothing else."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from edge_core import clock

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Changes:
    """Addresses added, links brought up or made, bridge ports isolated, sysctls' values before: since this boot."""

    boot: str
    addresses: list[tuple[str, str]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    sysctls: dict[str, str] = field(default_factory=dict)
    ports: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)


def load(path: Path) -> Changes:
    """Return what was noted; nothing where the file is missing, damaged or of another boot (all is gone then)."""
    fresh = Changes(clock.boot_id())
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        found = Changes(raw["boot"], [(a, b) for a, b in raw["addresses"]], raw["links"], raw["sysctls"])
        found.ports, found.made = list(raw.get("ports", [])), list(raw.get("made", []))
    except (OSError, ValueError, KeyError, TypeError):
        return fresh
    return found if found.boot == fresh.boot else fresh


def save(path: Path, changes: Changes) -> None:
    """Write the note before the change itself is made: a crash in between costs a needless undo, never a lost one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(changes)), encoding="utf-8")
    draft.replace(path)
