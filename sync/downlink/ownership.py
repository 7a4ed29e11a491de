# SPDX-License-Identifier: EUPL-1.2
"""Decides which records belong to which publisher; pure, shared by publisher and device.

A claim is `collection/id`, or `collection/prefix*` for every id with that prefix, or `collection/*` for all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_core.errors import ContentError
from sync.downlink.repository_format import INDEX, is_slug

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_BYTES = 32 << 20  # of all that one publisher makes devices fetch at once
_CLOSED = ("park",)  # the park's own record says whose place this is: nobody else signs it


@dataclass(frozen=True)
class Claims:
    """The patterns of one publisher."""

    patterns: tuple[str, ...]

    def hold(self, collection: str, record_id: str) -> bool:
        """Tell whether a record is this publisher's own."""
        return any(_matches(pattern, f"{collection}/{record_id}") for pattern in self.patterns)

    def overlap(self, other: Claims) -> str:
        """Return a pattern that both could hold; "" where none is."""
        return next((mine for mine in self.patterns for its in other.patterns if _meet(mine, its)), "")


def claims_of(patterns: Iterable[str]) -> Claims:
    """Return checked claims. Raises ContentError."""
    found = tuple(patterns)
    for pattern in found:
        collection, slash, rest = pattern.partition("/") if isinstance(pattern, str) else ("", "", "")
        name = rest.removesuffix("*")
        good = is_slug(collection) and slash and collection not in _CLOSED
        if not good or not (rest == "*" or is_slug(name) or (rest.endswith("-*") and is_slug(name.rstrip("-")))):
            raise ContentError(
                f'"{pattern}" says of no record whose it is.',
                remedy='Write "companies/exemple-ardoise", or "news/ardoise-*".',
            )
    if not found:
        raise ContentError("A publisher without any record has nothing to sign.", remedy="Give it at least one.")
    return Claims(found)


def foreign(claims: Claims, collection: str, record_id: str) -> str:
    """Return the record as people name it when it isn't this publisher's own; "" when it is."""
    return "" if claims.hold(collection, record_id) else f"{collection}/{record_id}"


def publisher_index(name: str) -> str:
    """Return the path of a publisher's index among the targets."""
    return f"publishers/{name}/{INDEX}"


def _matches(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _meet(one: str, other: str) -> bool:
    return _matches(one, other.removesuffix("*")) or _matches(other, one.removesuffix("*"))
