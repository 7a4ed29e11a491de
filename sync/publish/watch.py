# SPDX-License-Identifier: EUPL-1.2
"""Publishes again whenever one of its folders changes, and once a day; goes on after a mistake."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edge_core import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

POLL = 0.2  # seconds between two looks; a change is published once two looks in a row see the same
_DAY = 86_400

Look = frozenset[tuple[str, int, int]]


def look(folder: Path) -> Look:
    """Return the names, times and sizes of the files of a folder: a cheap sign that one changed."""
    found = set()
    for path in folder.rglob("*"):
        try:
            status = path.stat()
        except OSError:  # an editor's temporary file that has just gone
            continue
        if not path.name.startswith("."):
            found.add((str(path), status.st_mtime_ns, status.st_size))
    return frozenset(found)


def watch(folders: Sequence[Path], publish: Callable[[], None], stopped: Callable[[], bool]) -> None:
    """Call `publish` for each change of one of `folders` and for each new day, until `stopped`."""
    published: tuple[Look, int] | None = None
    last: tuple[Look, int] | None = None
    while not stopped():
        seen = (Look().union(*map(look, folders)), int(clock.now() // _DAY))
        if seen != published and seen == last:
            publish()
            published = seen
        last = seen
        time.sleep(POLL)
