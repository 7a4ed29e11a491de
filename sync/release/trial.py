# SPDX-License-Identifier: EUPL-1.2
"""The order in which a release is brought in and judged: beside the running one, switched to, proven or taken back.

Wherever this is cut (by a kill or by the power), `settle` at the next start ends it: the device runs the old release or
the new one, whole, and a release that nobody found well is never taken for good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edge_core.errors import ProcessError

if TYPE_CHECKING:
    from pathlib import Path

    from sync.release.shelf import Shelf


class Hands(Protocol):
    """What touches the device."""

    def build(self, bundle: Path, folder: Path) -> None:
        """Make a release of a bundle in a folder that may hold a part of one. Raises ProcessError."""

    def restart(self) -> None:
        """Start every service again, from what `current` points to now."""

    def trouble(self) -> str:
        """Wait until the device is well and return ""; or return what isn't when the time for it is over."""


@dataclass(frozen=True)
class Outcome:
    """How it ended: "installed", "rolled_back", or "unchanged"; with what was wrong."""

    what: str
    release: str
    before: str
    reason: str = ""


def settle(shelf: Shelf, hands: Hands, sequence: int = 0) -> Outcome:
    """End a trial that was cut, or do nothing. A device that has proven nothing yet takes what runs."""
    name, proven = shelf.named("current"), shelf.named("proven")
    if name == proven:
        return Outcome("unchanged", name, proven)
    if not shelf.holds(proven):
        shelf.prove()
        return Outcome("unchanged", name, name)
    return _judge(shelf, hands, sequence)


def bring(shelf: Shelf, hands: Hands, name: str, bundle: Path, sequence: int) -> Outcome:
    """Install a release of a verified bundle and judge it. Raises ProcessError; what ran before then runs on."""
    if not shelf.holds(name):
        try:
            hands.build(bundle, shelf.folder(name))
            shelf.complete(name)
        except OSError as error:
            raise ProcessError(
                f"The release was not built: {error.filename or shelf.folder(name)} can't be written"
                f" ({error.strerror}).",
                remedy="Make room on that disk.",
            ) from error
    return switch(shelf, hands, name, sequence)


def switch(shelf: Shelf, hands: Hands, name: str, sequence: int = 0) -> Outcome:
    """Let the services run a release that is there, and judge it."""
    shelf.point("current", name)
    hands.restart()
    return _judge(shelf, hands, sequence)


def _judge(shelf: Shelf, hands: Hands, sequence: int) -> Outcome:
    name, before = shelf.named("current"), shelf.named("proven")
    reason = hands.trouble()
    if not reason:
        shelf.prove()
        return Outcome("installed", name, before)
    shelf.refuse(name, sequence)
    shelf.point("current", before)
    hands.restart()
    return Outcome("rolled_back", name, before, reason)
