# SPDX-License-Identifier: EUPL-1.2
"""Decides which sessions are idle: their device has sent nothing for a while; pure.

Only what the device itself sends counts: servers go on sending to somebody who has left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Watch:
    """What each session had sent at the last look, and since when it has sent nothing more."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._seen: dict[int, tuple[int, float]] = {}

    def judge(self, sent: Mapping[int, int], seconds: float, moment: float) -> list[int]:
        """Return the sessions that have sent nothing for `seconds`.

        `sent` are packets by session, `moment` is in seconds of any clock that only goes on. A session counts from the
        first look at it: a new agent gives each its whole time again.
        """
        before, over = self._seen, []
        self._seen = {}
        for number, packets in sent.items():
            known, since = before.get(number, (-1, moment))
            since = since if packets == known else moment
            self._seen[number] = (packets, since)
            if moment - since >= seconds:
                over.append(number)
        return over
