# SPDX-License-Identifier: EUPL-1.2
"""What may be said of counts of people; pure, and the one place where small groups are hidden and others made coarse.

A count below `minimum` is not told, others are rounded. That alone isn't enough where a whole is told beside its parts:
the whole minus the told parts may give a hidden one away. So the first other part is hidden too whenever one is
(complementary suppression; Hundepool and others, Statistical Disclosure Control, 2012, chapter 4). The first by name,
and always: a choice that followed the counts would itself tell of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def told(count: int, minimum: int, rounding: int) -> int | None:
    """Return what may be said of a count: None below `minimum`, else the nearest multiple of `rounding`."""
    if count < minimum:
        return None
    step = max(1, rounding)
    return (count + step // 2) // step * step


def split(
    whole: int, parts: Mapping[str, int], minimum: int, rounding: int
) -> tuple[int | None, dict[str, int | None]]:
    """Return what may be said of a whole and of the parts that it is made of.

    Whoever knows this rule and all that is told can't prove of any group below `minimum` that somebody is in it.
    """
    all_told = told(whole, minimum, rounding)
    if all_told is None:
        return None, dict.fromkeys(parts)
    shown = {name: told(count, minimum, rounding) for name, count in parts.items()}
    others = sorted(name for name, count in shown.items() if count is not None)
    if others and len(others) < len(shown):
        shown[others[0]] = None
    elif _is_tight(all_told, [count for count in shown.values() if count is not None], minimum, rounding):
        return all_told, dict.fromkeys(parts)
    return all_told, shown


def _is_tight(whole: int, shown: list[int], minimum: int, rounding: int) -> bool:
    """Tell whether the whole, rounded one way, and its parts, rounded the other, leave some part a single value.

    Parts that sum to more than the whole, because people walked between them, prove nothing.
    """
    step = max(1, rounding)
    down, up = step // 2, (step - 1) // 2  # how far below and above a told count the truth may be
    spans = [(max(minimum, count - down), count + up) for count in shown]
    lowest, highest = sum(low for low, _ in spans), sum(high for _, high in spans)
    for low, high in spans:
        least = max(low, max(minimum, whole - down) - (highest - high))
        most = min(high, whole + up - (lowest - low))
        if step > 1 and least == most:
            return True
    return False


def among(whole: int, part: int, minimum: int, rounding: int) -> int | None:
    """Return what may be said of a part beside its told whole, where the rest is never told by itself.

    Where fewer than `minimum` make up the rest, they are told as if they were in the part: nobody learns if they exist.
    Of a whole in which both could be that few, nothing is told.
    """
    all_told = told(whole, minimum, rounding)
    if all_told is None or all_told < 2 * minimum + rounding:
        return None
    return told(whole if whole - part < minimum else part, minimum, rounding)
