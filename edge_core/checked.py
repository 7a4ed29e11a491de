# SPDX-License-Identifier: EUPL-1.2
"""Takes single values out of JSON that somebody else wrote: what isn't as it must be is a ValueError that says how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import re

LARGEST = 2**53
"""Beyond it a JSON number may not be whole any more (RFC 8259, 6)."""


def whole(raw: Any, least: int = 0, most: int = LARGEST) -> int:
    """Accept a whole number from `least` to `most`. Raises ValueError."""
    if isinstance(raw, bool) or not isinstance(raw, int) or not least <= raw <= most:
        raise ValueError(f"{least} to {most}")
    return raw


def limit(raw: Any) -> int | None:
    """Accept a whole number from 1 on, or None for no limit. Raises ValueError."""
    return None if raw is None else whole(raw, 1)


def matching(pattern: re.Pattern[str], raw: Any) -> str:
    """Accept a text that is all of `pattern`. Raises ValueError."""
    if not isinstance(raw, str) or not pattern.fullmatch(raw):
        raise ValueError(pattern.pattern)
    return raw
