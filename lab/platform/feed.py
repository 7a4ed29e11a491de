# SPDX-License-Identifier: EUPL-1.2
"""Watches the repository's timestamp.json and says when there is a new version. Reads, never writes."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

log = logging.getLogger(__name__)
INTERVAL = 0.1
_LARGEST = 1 << 20
_PLACES = ("metadata/timestamp.json", "timestamp.json")


class Watch(threading.Thread):
    """Looks ten times a second and tells each site what it was not told yet.

    `sites` returns the sites to tell; `tell` returns whether it could. `version`: the latest, None before the first.
    """

    def __init__(self, repository: Path, sites: Callable[[], Iterable[str]], tell: Callable[[str, int], bool]) -> None:
        super().__init__(name="feed", daemon=True)
        self._repository = repository
        self._sites = sites
        self._tell = tell
        self._told: dict[str, int] = {}
        self._ending = threading.Event()
        self._seen: tuple[int, int, int] | None = None
        self.version: int | None = read_version(repository)

    def run(self) -> None:
        """Look until `end`."""
        while not self._ending.wait(INTERVAL):
            try:
                self.look()
            except Exception:  # the loop's edge
                log.exception("The feed could not be told.")

    def look(self) -> None:
        """Read the version where the file has changed, and tell the sites that don't know it."""
        mark = _mark(self._repository)
        if mark != self._seen:
            # Read after its mark was taken: a file that changes in between is read once more the next time.
            self.version = read_version(self._repository) or self.version
            self._seen = mark
        if self.version is None:
            return
        for site in self._sites():
            if self._told.get(site) != self.version and self._tell(site, self.version):
                self._told[site] = self.version

    def tell_again(self) -> None:
        """Forget who was told: a new broker may have forgotten its retained messages."""
        self._told = {}

    def end(self) -> None:
        """Stop looking."""
        self._ending.set()


def read_version(repository: Path) -> int | None:
    """Return the version that timestamp.json tells; None where there is none or it is not (yet) readable."""
    for place in _PLACES:
        try:
            text = (repository / place).read_bytes()[:_LARGEST]
            version = json.loads(text)["signed"]["version"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if type(version) is int and version > 0:
            return version
    return None


def _mark(repository: Path) -> tuple[int, int, int] | None:
    for place in _PLACES:
        try:
            stat = (repository / place).stat()
        except OSError:
            continue
        return stat.st_ino, stat.st_mtime_ns, stat.st_size
    return None
