# SPDX-License-Identifier: EUPL-1.2
"""Decides whose data quota is used up, and how soon to look again; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SOONEST = 0.25
"""Seconds between two looks at the least: a guest at full speed passes its quota by what goes through meanwhile."""


class Watch:
    """What each limited session had used at the last look."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._before: dict[int, int] = {}
        self._moment = 0.0

    def judge(self, limits: Mapping[int, int], spent: Mapping[int, int], moment: float) -> tuple[list[int], float]:
        """Return the sessions that are over, and the seconds until another may be, at the speeds seen last.

        Limits and what was spent in bytes by session, `moment` in seconds of any clock that only goes on.
        """
        over = [number for number, limit in limits.items() if spent[number] >= limit]
        passed = max(1e-3, moment - self._moment)
        soon = float("inf")
        for number, limit in limits.items():
            speed = (spent[number] - self._before.get(number, spent[number])) / passed
            if speed > 0 and spent[number] < limit:
                soon = min(soon, (limit - spent[number]) / speed / 2)
        self._before, self._moment = dict(spent), moment
        return over, max(_SOONEST, soon)
