# SPDX-License-Identifier: EUPL-1.2
"""Makes one line of printable text of whatever somebody, a stick or a form has given; pure."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Return `text` with one blank for each run of blanks and of what can't be printed, and none at its ends."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
